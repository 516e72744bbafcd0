package file

import (
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

func (d disk) statfs(at *durable.Folder, st *unix.Statfs_t) error {
	if d.hooks.statfs != nil {
		return d.hooks.statfs(at.Path(), st)
	}
	return durable.Uninterrupted(func() error { return unix.Fstatfs(at.Fd(), st) })
}

// statx looks at what is called name in a folder, or at the folder itself, which is called ".".
func (d disk) statx(at *durable.Folder, name string, mask int, st *unix.Statx_t) error {
	if d.hooks.statx != nil {
		return d.hooks.statx(at.Join(name), st)
	}
	return durable.Uninterrupted(func() error {
		return unix.Statx(at.Fd(), name, unix.AT_SYMLINK_NOFOLLOW, mask, st)
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

// syncNames makes the names in a folder durable, where its file system lets itself be asked.
func (d disk) syncNames(at *durable.Folder) error {
	s := durable.System{Sync: func(string) error { return at.Sync() }}
	if d.hooks.sync != nil {
		s.Sync = d.hooks.sync
	}
	return s.SyncFolder(at.Path())
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
