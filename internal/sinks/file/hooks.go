package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
)

// hooks are for tests: before is called at each step and may fail it; the others stand in for
// calls that some file system or kernel answers as none at hand does.
type hooks struct {
	before func(step) error
	statfs func(path string, st *unix.Statfs_t) error
	statx  func(path string, st *unix.Statx_t) error
	chown  func(f *os.File, uid, gid int) error
	chmod  func(f *os.File, mode fs.FileMode) error
	sync   func(folder string) error
	proc   string // stands for /proc/self
	// attributes stand in for the kernel's.
	attributes attributes
}

func (d disk) beforeStep(s step) error {
	if d.hooks.before == nil {
		return nil
	}
	return d.hooks.before(s)
}

func (d disk) statfs(path string, st *unix.Statfs_t) error {
	if d.hooks.statfs != nil {
		return d.hooks.statfs(path, st)
	}
	return repeatInterrupted(func() error { return unix.Statfs(path, st) })
}

func (d disk) statx(path string, st *unix.Statx_t) error {
	if d.hooks.statx != nil {
		return d.hooks.statx(path, st)
	}
	return repeatInterrupted(func() error {
		return unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, st)
	})
}

func (d disk) chown(f *os.File, uid, gid int) error {
	if d.hooks.chown != nil {
		return d.hooks.chown(f, uid, gid)
	}
	return f.Chown(uid, gid)
}

func (d disk) chmod(f *os.File, mode fs.FileMode) error {
	if d.hooks.chmod != nil {
		return d.hooks.chmod(f, mode)
	}
	return f.Chmod(mode)
}

// durableSystem is the kernel, as far as files are given their names.
func (d disk) durableSystem() durable.System {
	s := durable.Kernel()
	if d.hooks.sync != nil {
		s.Sync = d.hooks.sync
	}
	return s
}

// readProc is what the kernel says of this process under name; "" when it does not say.
func (d disk) readProc(name string) string {
	root := "/proc/self"
	if d.hooks.proc != "" {
		root = d.hooks.proc
	}
	b, _ := os.ReadFile(filepath.Join(root, name)) //nolint:gosec // the kernel's own files
	return string(b)
}

// repeatInterrupted repeats a call that a signal has cut off, as FUSE and NFS let it; os does so by itself.
func repeatInterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
