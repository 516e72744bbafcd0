package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
)

// minFree is the room a write must find: some folders and two small files.
const minFree = 32 << 10

// mayWrite finds out, changing nothing, whether write would succeed.
func (d disk) mayWrite(target string, who owner) error {
	info, err := d.look(target)
	if err != nil {
		return err
	}
	folder, err := existing(filepath.Dir(target))
	if err != nil {
		return err
	}
	if err := writable(folder); err != nil {
		return err
	}
	if info != nil {
		if err := replaceable(folder, target, info); err != nil {
			return err
		}
	}
	if err := mayOwn(who); err != nil {
		return err
	}
	return d.hasRoom(folder)
}

// existing is the nearest folder on the way to path that is there.
func existing(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return existing(filepath.Dir(path))
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", &fs.PathError{Op: "stat", Path: path, Err: unix.ENOTDIR}
	}
	return path, nil
}

// writable asks the kernel with the effective ids; it knows access lists and
// read-only file systems too.
func writable(folder string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write to", Path: folder, Err: err}
	}
	if immutable(folder, unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) {
		return &fs.PathError{Op: "write to", Path: folder, Err: unix.EPERM}
	}
	return nil
}

// replaceable knows what keeps a file from being replaced in a writable folder:
// the sticky bit, and attributes of the file.
func replaceable(folder, target string, info fs.FileInfo) error {
	dir, err := os.Stat(folder)
	if err != nil {
		return err
	}
	ours := func(i fs.FileInfo) bool { return int(sysOf(i).Uid) == os.Geteuid() }
	if dir.Mode()&fs.ModeSticky != 0 && !ours(dir) && !ours(info) && !capable(unix.CAP_FOWNER) {
		return &fs.PathError{Op: "replace", Path: target, Err: unix.EPERM}
	}
	if immutable(target, unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) {
		return &fs.PathError{Op: "replace", Path: target, Err: unix.EPERM}
	}
	return nil
}

// immutable reports whether path has one of the attributes; a file system that
// does not tell has none.
func immutable(path string, attributes uint64) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &st)
	return err == nil && st.Attributes&attributes != 0
}

func (d disk) hasRoom(folder string) error {
	var st unix.Statfs_t
	if err := d.statfs(folder, &st); err != nil {
		return &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	free := st.Bavail
	if capable(unix.CAP_SYS_RESOURCE) {
		free = st.Bfree
	}
	switch {
	case st.Flags&unix.ST_RDONLY != 0:
		return &fs.PathError{Op: "write to", Path: folder, Err: unix.EROFS}
	case st.Blocks > 0 && free*uint64(st.Bsize) < minFree:
		return noRoom(folder, "free space")
	case st.Files > 0 && st.Ffree == 0:
		return noRoom(folder, "free inodes")
	}
	return nil
}

func (d disk) statfs(path string, st *unix.Statfs_t) error {
	if d.hooks.statfs != nil {
		return d.hooks.statfs(path, st)
	}
	return unix.Statfs(path, st)
}

func noRoom(folder, what string) error {
	return fault.Newf(fault.Retry, fault.Full, "", "", "%s: no %s left on the file system", folder, what).
		WithHint("free some on the file system of %s", folder)
}
