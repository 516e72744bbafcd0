package e2e

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// smallDisk is a file system of a few hundred kilobytes.
type smallDisk struct {
	t   *testing.T
	dir string
}

// mountSmall mounts a small disk in the world's folder. It takes root, as the
// tests have it in containers and in CI.
func (w *world) mountSmall(name string) *smallDisk {
	w.t.Helper()
	s := &smallDisk{w.t, w.path(name)}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.dir, "tmpfs", 0, "size=512k,mode=0700"); err != nil {
		w.t.Fatalf("mount a small disk (run this test as root, for example in `unshare --user --map-root-user --mount`): %v", err)
	}
	w.t.Cleanup(func() { _ = syscall.Unmount(s.dir, syscall.MNT_DETACH) })
	return s
}

// readOnly makes the disk read-only or writable again. Nothing may have a file
// of it open for writing.
func (s *smallDisk) readOnly(on bool) {
	s.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("tmpfs", s.dir, "tmpfs", flags, "size=512k"); err != nil {
		s.t.Fatal(err)
	}
}

// fill leaves no room on the disk.
func (s *smallDisk) fill() {
	s.t.Helper()
	f, err := os.Create(s.ballast())
	if err != nil {
		s.t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		s.t.Fatal(err)
	}
	_ = f.Close()
}

// free makes room again.
func (s *smallDisk) free() {
	s.t.Helper()
	if err := os.Remove(s.ballast()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *smallDisk) ballast() string { return s.dir + "/ballast" }
