package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// ErrLost says that a file which is open is no longer to be found under its name, or not whole.
// It can be written anew: nobody has put anything in its place.
var ErrLost = errors.New("the file was lost while it was in use")

// ErrReplaced says that another file has the name of one that is open.
var ErrReplaced = errors.New("the file was replaced while rotatord has the former one open")

// ErrOverwritten is the ErrReplaced of a file whose content is not what was written to it.
var ErrOverwritten = fmt.Errorf("%w: another was copied over it", ErrReplaced)

// ErrFolderMoved says that the folder of an open file is elsewhere, where the file may come back.
var ErrFolderMoved = errors.New(
	"the folder was moved away, or another one lies over it, while rotatord has the file open")

// ErrDamaged says that what is read is not what was written.
var ErrDamaged = errors.New("damaged")

// ErrNewer says that what is read was written by a newer rotatord.
var ErrNewer = errors.New("made by a newer rotatord")

// ErrNotRegular says that something else is where a file should be.
var ErrNotRegular = errors.New("it is not a regular file")

// Lost is an ErrLost with a text of its own.
func Lost(text string) error { return lost{text} }

type lost struct{ text string }

// Error returns what happened.
func (l lost) Error() string { return l.text }

// Is makes it an ErrLost.
func (lost) Is(target error) bool { return target == ErrLost }

// Watched is a file that is kept open under a name. Others may delete, move, replace or cut it
// meanwhile, which no write shows. Safe for concurrent use.
type Watched struct {
	*os.File
	path   string
	folder os.FileInfo
	least  atomic.Int64 // it was that long
}

// Watch watches the open file f, whose name is path.
func Watch(path string, f *os.File) (*Watched, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	w := &Watched{File: f, path: path, folder: folder}
	w.least.Store(info.Size())
	return w, nil
}

// NoteSize notes how long the file has become: from now on it is cut short when it is shorter.
func (w *Watched) NoteSize() {
	if info, err := w.Stat(); err == nil {
		w.least.Store(info.Size())
	}
}

// IsNamed reports whether the file's name still names it.
func (w *Watched) IsNamed() bool {
	open, err1 := w.Stat()
	named, err2 := os.Stat(w.path)
	return err1 == nil && err2 == nil && os.SameFile(open, named)
}

// IsWhole reports whether the file was not cut short.
func (w *Watched) IsWhole() bool {
	info, err := w.Stat()
	return err == nil && info.Size() >= w.least.Load()
}

// FindTrouble returns what happened to the file, or nil: ErrLost, ErrReplaced, ErrFolderMoved, or
// why that cannot be told.
func (w *Watched) FindTrouble() error {
	open, err := w.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(w.path)
	switch least := w.least.Load(); {
	case errors.Is(err, fs.ErrNotExist):
		return w.whyMissing(open)
	case err != nil:
		return err
	case !os.SameFile(named, open):
		return ErrReplaced
	case open.Size() < least:
		return Lost(fmt.Sprintf("the file was cut short while rotatord has it open: %d of %d bytes are there",
			open.Size(), least))
	}
	return nil
}

// whyMissing tells a file that is gone from one whose folder is: on a volume that comes
// back, it would be found again, and older than what was written elsewhere meanwhile.
func (w *Watched) whyMissing(open os.FileInfo) error {
	if s, ok := open.Sys().(*syscall.Stat_t); ok && s.Nlink == 0 {
		return Lost("the file was deleted while rotatord has it open")
	}
	folder, err := os.Stat(filepath.Dir(w.path))
	if err != nil || !os.SameFile(folder, w.folder) {
		return ErrFolderMoved
	}
	return Lost("the file was moved away while rotatord has it open")
}
