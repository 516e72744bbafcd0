package file

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// staleAge is the age from which a temporary file counts as left behind where its maker's lock cannot be asked for.
const staleAge = time.Minute

// removeStale removes what has the temporary file's name, unless its maker lives.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return ignoreAbsent(err)
	}
	if info.IsDir() {
		return inTheWay(path, info, unix.EISDIR)
	}
	if !info.Mode().IsRegular() {
		return remove(path, info)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) //nolint:gosec // see createExclusive
	switch {
	case errors.Is(err, fs.ErrPermission):
		if time.Since(info.ModTime()).Abs() < staleAge {
			return taken(path)
		}
		return remove(path, info)
	case err != nil:
		return ignoreAbsent(err)
	}
	defer f.Close()                            //nolint:errcheck // read only; it ends the lock
	if err := lockNamed(f, path); err != nil { // its maker lives, or has just finished, and the next may have begun
		return err
	}
	return remove(path, info)
}

func remove(path string, info fs.FileInfo) error {
	err := ignoreAbsent(os.Remove(path))
	if errors.Is(err, fs.ErrPermission) {
		return inTheWay(path, info, err)
	}
	return err
}

// removable says whether removeStale could remove what lies at path, in folder.
func (d disk) removable(folder, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return ignoreAbsent(err)
	}
	if err = d.replaceable(folder, path, info); info.IsDir() {
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

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
