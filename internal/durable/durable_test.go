package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
)

func refusal(errno syscall.Errno) func(string, string) error {
	return func(string, string) error { return errno }
}

func unsynced(errno syscall.Errno) func(string) error {
	return func(string) error { return errno }
}

// systems are the kinds of file system that there are.
func systems() map[string]durable.System {
	k := durable.Kernel()
	return map[string]durable.System{
		"ext4":       k,
		"NFS":        {RenameNoReplace: refusal(syscall.EINVAL), Link: k.Link, Sync: k.Sync},
		"FAT":        {RenameNoReplace: k.RenameNoReplace, Link: refusal(syscall.EPERM), Sync: k.Sync},
		"9p":         {RenameNoReplace: refusal(syscall.EINVAL), Link: refusal(syscall.EOPNOTSUPP), Sync: unsynced(syscall.EINVAL)},
		"FUSE":       {RenameNoReplace: refusal(syscall.EINVAL), Link: refusal(syscall.ENOSYS), Sync: unsynced(syscall.ENOSYS)},
		"old kernel": {RenameNoReplace: refusal(syscall.ENOSYS), Link: refusal(syscall.EMLINK), Sync: unsynced(syscall.ENOTSUP)},
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, path, text string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("%s holds %q, want %q (%v)", path, got, text, err)
	}
}

func TestAFileTakesItsNameOnEveryFileSystem(t *testing.T) {
	for name, s := range systems() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "file")
			put(t, temp, "new")
			if err := s.Publish(temp, path); err != nil {
				t.Fatal(err)
			}
			expect(t, path, "new")
		})
	}
}

func TestWhatHasTheNameIsNeverReplaced(t *testing.T) {
	for name, s := range systems() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			temp, path, link := filepath.Join(dir, "temp"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
			put(t, temp, "new")
			put(t, path, "old")
			if err := os.Symlink("nowhere", link); err != nil {
				t.Fatal(err)
			}
			for _, taken := range []string{path, link} {
				if err := s.Publish(temp, taken); !errors.Is(err, fs.ErrExist) {
					t.Errorf("%s: %v, want one that says that it exists", taken, err)
				}
			}
			expect(t, path, "old")
			expect(t, temp, "new")
		})
	}
}

// Of many at once one has its file under the name, whole, and knows it.
func TestOneOfManyTakesTheName(t *testing.T) {
	for name, s := range systems() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			var won atomic.Int32
			var wg sync.WaitGroup
			for n := range 16 {
				temp := filepath.Join(dir, string(rune('a'+n)))
				put(t, temp, temp)
				wg.Go(func() {
					if s.Publish(temp, path) == nil {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d have taken it", won.Load())
			}
		})
	}
}

func TestAFolderThatSomebodyElseHoldsLocked(t *testing.T) {
	dir := t.TempDir()
	held, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "file")
	put(t, temp, "new")
	if err := systems()["9p"].Publish(temp, path); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("%v, want one about the lock", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there (%v)", err)
	}
	if err := durable.Kernel().Publish(temp, path); err != nil { // needs no lock
		t.Error(err)
	}
}

func TestAFolderThatCannotBeSyncedFails(t *testing.T) {
	s := durable.Kernel()
	s.Sync = unsynced(syscall.EIO)
	if err := s.SyncFolder(t.TempDir()); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v, want the disk's own", err)
	}
	if err := durable.SyncFolder(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v of a folder that is gone", err)
	}
}
