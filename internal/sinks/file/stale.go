package file

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
)

// removeStale removes what has the temporary file's name, unless its maker lives.
func removeStale(path string) error { return staleFault(path, durable.RemoveStale(path)) }

// staleFault says what to do about what cannot be removed.
func staleFault(path string, err error) error {
	if stale, ok := errors.AsType[*durable.StaleError](err); ok {
		return inTheWay(path, stale.Info, stale.Err)
	}
	return err
}

// checkRemovable says whether removeStale could remove what lies at path, in folder.
func (d disk) checkRemovable(folder, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err = d.checkMayReplace(folder, path, info); info.IsDir() {
		err = unix.EISDIR
	}
	if err != nil {
		return inTheWay(path, info, err)
	}
	return nil
}

func inTheWay(path string, info fs.FileInfo, err error) error {
	return notAllowed("what has the name of the temporary file belongs to user %d, and cannot be removed: %w", sysOf(info).Uid, err).
		WithHint("remove %s", path)
}
