package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := OpenFolder(dir)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestAPendingFileTakesThePlaceOfAnother(t *testing.T) {
	dir := t.TempDir()
	temp, path := filepath.Join(dir, "temporary"), filepath.Join(dir, "file")
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	p, err := Create(opened(t, filepath.Dir(temp)), "temporary")
	must(t, err)
	_, err = p.WriteString("new")
	must(t, errors.Join(err, p.Sync(), p.CloseWriter(), p.Rename("file"), p.Close(), SyncFolder(dir)))
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("it holds %q (%v)", got, err)
	}
	if got := entries(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the folder holds %q", got)
	}
}

func TestAPendingFileThatIsCancelledLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	p, err := Create(opened(t, dir), "temporary")
	must(t, err)
	must(t, p.Cancel())
	must(t, p.Close())
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("the folder holds %q", got)
	}
}

func TestWhatACrashLeftIsReplacedAndWhatIsInUseIsNot(t *testing.T) {
	temp := filepath.Join(t.TempDir(), "temporary")
	must(t, os.WriteFile(temp, []byte("half"), 0o600))
	p, err := Create(opened(t, filepath.Dir(temp)), "temporary")
	must(t, err)
	defer p.Close()
	if _, err := Create(opened(t, filepath.Dir(temp)), "temporary"); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("%v, want that it is in use", err)
	}
}

func TestAFolderInTheWayIsToldOf(t *testing.T) {
	temp := filepath.Join(t.TempDir(), "temporary")
	must(t, os.Mkdir(temp, 0o700))
	_, err := Create(opened(t, filepath.Dir(temp)), "temporary")
	stale, ok := errors.AsType[*StaleError](err)
	if !ok || !stale.Info.IsDir() || !errors.Is(err, unix.EISDIR) {
		t.Errorf("%v, want one that says what is in the way", err)
	}
}

func TestALinkThatLeadsNowhereIsRemoved(t *testing.T) {
	temp := filepath.Join(t.TempDir(), "temporary")
	must(t, os.Symlink("nowhere", temp))
	must(t, RemoveStale(opened(t, filepath.Dir(temp)), "temporary"))
	if _, err := os.Lstat(temp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there (%v)", err)
	}
}

// Between the making of a temporary file and its locking another process may take it for stale.
func TestAFileThatIsTakenBeforeItIsLockedIsGivenUp(t *testing.T) {
	for name, steal := range map[string]func(t *testing.T, path string){
		"removed":        func(*testing.T, string) {},
		"replaced":       func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("theirs"), 0o600)) },
		"made a link":    func(t *testing.T, path string) { must(t, os.Symlink("/dev/null", path)) },
		"locked by them": nil,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "temporary")
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			must(t, err)
			defer f.Close()
			if steal == nil {
				other, err := os.Open(path)
				must(t, err)
				defer other.Close()
				must(t, lockFile(other))
			} else {
				must(t, os.Remove(path))
				steal(t, path)
			}
			before := entries(t, filepath.Dir(path))
			if _, err := lockAgain(f, opened(t, filepath.Dir(path)), "temporary"); !errors.Is(err, unix.EWOULDBLOCK) {
				t.Errorf("lockAgain = %v, want that it is in use", err)
			}
			if got := entries(t, filepath.Dir(path)); !slices.Equal(got, before) {
				t.Errorf("the folder holds %q, and held %q", got, before)
			}
		})
	}
}

func TestAnothersLockIsNotTouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "temporary")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	must(t, err)
	defer f.Close()
	must(t, RemoveStale(opened(t, filepath.Dir(path)), "temporary"))
	other, err := Create(opened(t, filepath.Dir(path)), "temporary")
	must(t, err)
	defer other.Close()
	if _, err := lockAgain(f, opened(t, filepath.Dir(path)), "temporary"); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("lockAgain = %v", err)
	}
	if err := RemoveStale(opened(t, filepath.Dir(path)), "temporary"); !errors.Is(err, unix.EWOULDBLOCK) || !isNamed(other.File, opened(t, filepath.Dir(path)), "temporary") {
		t.Errorf("the other's file: %v", err)
	}
}

func TestALockOfAFileThatLostItsNameIsWorthNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "temporary")
	p, err := Create(opened(t, filepath.Dir(path)), "temporary")
	must(t, err)
	must(t, errors.Join(p.CloseWriter(), os.Rename(path, path+".elsewhere")))
	if err := lockIfNamed(p.lock, opened(t, filepath.Dir(path)), "temporary"); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("lockIfNamed = %v", err)
	}
	must(t, os.WriteFile(path, nil, 0o600)) // the next has begun
	if err := lockIfNamed(p.lock, opened(t, filepath.Dir(path)), "temporary"); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("lockIfNamed = %v", err)
	}
	must(t, p.Close())
}
