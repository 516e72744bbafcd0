package file

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
)

// removeStale removes what has the temporary file's name, unless its maker lives.
func (w *way) removeStale() error {
	return staleFault(w.Join(w.temporary()), durable.RemoveStale(w.Folder, w.temporary()))
}

// staleFault says what to do about what cannot be removed.
func staleFault(path string, err error) error {
	if stale, ok := errors.AsType[*durable.StaleError](err); ok {
		return inTheWay(path, stale.Info, stale.Err)
	}
	return err
}

// checkRemovable reports whether removeStale could remove what has the temporary file's name.
func (d disk) checkRemovable(w *way) error {
	info, err := w.Lstat(w.temporary())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err = d.checkMayReplace(w.Folder, w.temporary(), info); info.IsDir() {
		err = unix.EISDIR
	}
	if err != nil {
		return inTheWay(w.Join(w.temporary()), info, err)
	}
	return nil
}

func inTheWay(path string, info fs.FileInfo, err error) error {
	return notAllowed("what has the name of the temporary file belongs to user %d, and cannot be removed: %w", sysOf(info).Uid, err).
		WithHint("remove %s", path)
}
