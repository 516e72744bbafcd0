package file

import (
	"context"
	"fmt"
	"path/filepath"
)

// Place returns the folder's device and inode and the name in it: links and mounts may lead to one
// folder by several paths. A link at target itself is not followed, as Write replaces it.
func (s *sink) Place(ctx context.Context, target string) (string, error) {
	return runApart(ctx, s, "look for", target, func() (string, error) {
		w, err := walk(target)
		if err != nil {
			return "", err
		}
		defer w.Close() //nolint:errcheck // nothing is written
		return w.place()
	})
}

// place is the place of the target in the last folder that is there.
func (w *way) place() (string, error) {
	info, err := w.Stat()
	if err != nil {
		return "", err
	}
	st := sysOf(info)
	return fmt.Sprintf("%x:%x/%s", st.Dev, st.Ino, filepath.Join(append(w.missing, w.name)...)), nil
}
