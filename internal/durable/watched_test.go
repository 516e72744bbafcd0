package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
)

// watched is a file of ten bytes that is open, in a folder of its own.
func watched(t *testing.T) (path string, w *durable.Watched) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "folder", "file")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, path, "ten bytes.")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if w, err = durable.Watch(path, f); err != nil {
		t.Fatal(err)
	}
	return path, w
}

func TestWhatOthersDoToAnOpenFileIsFound(t *testing.T) {
	aside := func(path string) error { return os.Rename(path, path+".aside") }
	folderAside := func(path string) error { return aside(filepath.Dir(path)) }
	for name, c := range map[string]struct {
		do    func(path string) error
		want  error
		words string
	}{
		"nothing":      {func(string) error { return nil }, nil, ""},
		"deleted":      {os.Remove, durable.ErrLost, "deleted"},
		"moved":        {aside, durable.ErrLost, "moved away"},
		"cut short":    {func(path string) error { return os.Truncate(path, 4) }, durable.ErrLost, "4 of 10 bytes"},
		"longer":       {func(path string) error { return os.Truncate(path, 11) }, nil, ""},
		"all deleted":  {func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, durable.ErrLost, "deleted"},
		"folder moved": {folderAside, durable.ErrFolderMoved, "folder was moved away"},
		"folder replaced": {func(path string) error {
			return errors.Join(folderAside(path), os.Mkdir(filepath.Dir(path), 0o700))
		}, durable.ErrFolderMoved, "another one lies over it"},
		"replaced": {func(path string) error {
			return errors.Join(aside(path), os.WriteFile(path, []byte("ten bytes."), 0o600))
		}, durable.ErrReplaced, "replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			path, w := watched(t)
			if err := c.do(path); err != nil {
				t.Fatal(err)
			}
			err := w.FindTrouble()
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.words) {
				t.Errorf("found %v, want %v", err, c.want)
			}
			if errors.Is(err, durable.ErrLost) != errors.Is(c.want, durable.ErrLost) {
				t.Errorf("%v counts as lost", err)
			}
			if whole := name != "cut short"; w.IsWhole() != whole {
				t.Errorf("it is whole: %t", w.IsWhole())
			}
		})
	}
}

func TestAFileIsToBeAsLongAsItHasBecome(t *testing.T) {
	path, w := watched(t)
	if err := os.Truncate(path, 20); err != nil {
		t.Fatal(err)
	}
	w.NoteSize()
	if err := os.Truncate(path, 15); err != nil {
		t.Fatal(err)
	}
	if err := w.FindTrouble(); !errors.Is(err, durable.ErrLost) || w.IsWhole() || !w.IsNamed() {
		t.Errorf("found %v", err)
	}
}
