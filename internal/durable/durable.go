// Package durable gives finished files their names: after a crash there is none or a whole one.
//
// There are two ways to a name. Publish gives it to a file that is whole and synced, and never
// replaces what has it, on file systems without hard links too: so an identity or a journal comes
// to be. A Pending does replace it: a new file under a temporary name that is locked while its
// maker lives, so that another process can tell it from one that a crash has left. A name is
// durable once the folder is synced, as far as its file system lets itself be asked: Publish does
// so, after a Pending's Rename the caller does.
//
// A Folder is held open: what is done in it is done there, wherever its path leads by now. A
// Watched file stays open under a name that others may take away; what became of it is one of the
// errors here, ErrLost, ErrReplaced and ErrFolderMoved, and ErrDamaged says of any file that it is
// not what was written.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// System is what a file system may be able to do.
type System struct {
	RenameNoReplace func(from, to string) error // not NFS, 9p, some FUSE
	Link            func(from, to string) error // not FAT, exFAT, CIFS, 9p, some FUSE
	Sync            func(folder string) error   // not CIFS, 9p, vboxsf
}

// Kernel asks the kernel.
func Kernel() System { return System{renameNoReplace, os.Link, syncFolder} }

// Publish gives the file temp, which must be whole and synced, the name path in the same folder,
// and syncs the folder. It fails with fs.ErrExist when something is at path already. Whether
// temp is still there afterwards depends on the file system.
func (s System) Publish(temp, path string) error {
	var err error
	for _, way := range []func(from, to string) error{s.RenameNoReplace, s.Link, renameInTurn} {
		if err = way(temp, path); err == nil {
			return s.SyncFolder(filepath.Dir(path))
		}
		if errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return err
}

func renameNoReplace(from, to string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// renameInTurn looks and renames under a lock of the folder, which all take that come this way:
// every file system of the kernel's has that lock on one machine.
func renameInTurn(from, to string) (err error) {
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock the folder %s: %w", dir.Name(), err)
	}
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(path string) error { return Kernel().SyncFolder(path) }

// SyncFolder makes the names in a folder durable. A file system that does not let itself be asked
// (CIFS, 9p, vboxsf) makes them durable in its own way.
func (s System) SyncFolder(path string) error {
	err := s.Sync(path)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func syncFolder(path string) error {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
