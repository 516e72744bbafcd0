package harness

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a small file system of its own, in memory.
type Disk struct{ path, size string }

// MountDisk mounts a disk on a folder until the test ends; size is as mount takes
// it. Only root can, as tests are in containers and in CI: others have the error.
func MountDisk(t testing.TB, path, size string) (*Disk, error) {
	t.Helper()
	d := &Disk{path, "size=" + size}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, d.size+",mode=0700"); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	return d, nil
}

// SetReadOnly makes the disk read-only or writable again. It cannot become
// read-only while a file on it is open for writing.
func (d *Disk) SetReadOnly(on bool) error {
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	return syscall.Mount("tmpfs", d.path, "tmpfs", flags, d.size)
}

func (d *Disk) filler() string { return filepath.Join(d.path, ".filler") }

// Fill leaves no room on the disk.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for chunk := make([]byte, 4<<10); err == nil; {
		_, err = f.Write(chunk)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Free makes room again.
func (d *Disk) Free() error { return os.Remove(d.filler()) }
