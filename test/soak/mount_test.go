package soak

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// disk is a small file system of its own, so that it can be filled and made read-only.
type disk struct {
	testing.TB
	path    string
	mounted bool
}

// newDisk mounts a file system on the folder path. Only root can: without it
// the folder is as it was, and trouble with the disk is left out.
func newDisk(t testing.TB, path string) *disk {
	d := &disk{TB: t, path: path}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		t.Logf("no file system can be mounted (%v): this run goes without trouble with %s", err, filepath.Base(path))
		return d
	}
	d.mounted = true
	t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	return d
}

// readOnly tries to make the disk read-only, or read-write again. It cannot
// become read-only while a file on it is open for writing.
func (d *disk) readOnly(yes bool) error {
	flags := uintptr(syscall.MS_REMOUNT)
	if yes {
		flags |= syscall.MS_RDONLY
	}
	return syscall.Mount("tmpfs", d.path, "tmpfs", flags, "size=4m")
}

func (d *disk) filler() string { return filepath.Join(d.path, ".filler") }

// fill leaves no room on the disk.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	chunk := make([]byte, 4<<10)
	for err == nil {
		_, err = f.Write(chunk)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func (d *disk) empty() error { return os.Remove(d.filler()) }
