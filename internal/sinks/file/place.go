package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Place gives the folder's device and inode and the name in it: links and mounts may lead to one
// folder by several paths. A link at target itself is not followed, as Write replaces it.
func (s *sink) Place(ctx context.Context, target string) (string, error) {
	return runApart(ctx, s, "look for", target, func() (string, error) {
		return placeIn(filepath.Dir(target), filepath.Base(target))
	})
}

// placeIn is the place of name in a folder, or, where that is yet to be made, below the nearest one there is.
func placeIn(folder, name string) (string, error) {
	var st unix.Stat_t
	err := unix.Stat(folder, &st)
	if errors.Is(err, fs.ErrNotExist) {
		return placeIn(filepath.Dir(folder), filepath.Join(filepath.Base(folder), name))
	}
	if err != nil {
		return "", &fs.PathError{Op: "stat", Path: folder, Err: err}
	}
	return fmt.Sprintf("%x:%x/%s", st.Dev, st.Ino, name), nil
}
