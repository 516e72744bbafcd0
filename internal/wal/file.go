package wal

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
)

// open opens the log's file and reads what the store lacks.
func (l *Log) open() error {
	err := l.openFile()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l.createMissing()
	case err != nil:
		return err
	case l.ended: // the store holds everything
		l.segs.continueFrom(l.checkpointSeq)
		if l.segs.end < smallFile {
			return l.refillFile()
		}
		return nil
	case l.segs.end < smallFile:
		return damagedf("it is cut short: %d of at least %d bytes are there", l.segs.end, smallFile)
	}
	if l.session != nil {
		if err := l.segs.expectMark(l.session); err != nil {
			return err
		}
		l.segs.useSession(l.session)
	}
	l.sealed, err = l.segs.replay(l.checkpointSeq)
	return err
}

// createMissing makes the log, unless a former one is needed and its loss is not accepted.
func (l *Log) createMissing() error {
	if l.session != nil && !l.options.AcceptLoss {
		return ErrMissing
	}
	if err := l.createFile(); err != nil {
		return err
	}
	if err := l.openFile(); err != nil {
		return err
	}
	l.segs.continueFrom(l.checkpointSeq)
	return nil
}

// openFile opens the file and locks it, so that two processes never have one log, whichever
// copies of its store they use.
func (l *Log) openFile() error {
	path := l.options.Path
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return durable.ErrNotRegular
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	if err := l.useFile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// useFile goes on in an open file.
func (l *Log) useFile(f *os.File) error {
	if err := lockFile(f); err != nil {
		return err
	}
	w, err := durable.Watch(l.options.Path, f)
	if err != nil {
		return err
	}
	if err := l.measureFile(f); err != nil {
		return err
	}
	l.watched = w
	return nil
}

// measureFile divides the open file into segments.
func (l *Log) measureFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file := File(dataFile{f})
	if l.options.WrapFile != nil {
		file = l.options.WrapFile(file)
	}
	l.segs = segmentsOf(file, info.Size())
	return nil
}

func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrInUse
	}
	return os.NewSyscallError("flock", err)
}

// dataFile syncs what was written and no more: the file's length is not changed by a batch.
type dataFile struct{ *os.File }

// Sync implements File.
func (f dataFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// createFile makes the file elsewhere and gives it its name, so that a crash leaves none or a
// whole one, and what is there is not replaced; what it leaves half made, the next makes anew.
func (l *Log) createFile() error {
	temp, err := os.OpenFile(l.options.Path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if err := errors.Join(fillWithZeros(temp), temp.Close()); err != nil {
		return err
	}
	return l.options.Publish(temp.Name(), l.options.Path)
}

// fillWithZeros writes real zeros, no hole: a batch must find its room on a disk that has filled up.
func fillWithZeros(f *os.File) error {
	err := writeZeros(f, fileSize)
	if errors.Is(err, unix.ENOSPC) {
		err = errors.Join(f.Truncate(0), writeZeros(f, smallFile))
	}
	return errors.Join(err, f.Sync())
}

func writeZeros(f *os.File, size int) error {
	_, err := f.WriteAt(make([]byte, size), 0)
	return err
}

// refillFile fills the open file, which was cut short: nothing of it is needed.
func (l *Log) refillFile() error {
	w := l.watched
	if err := fillWithZeros(w.File); err != nil {
		return err
	}
	last := l.segs.lastSeq
	if err := l.measureFile(w.File); err != nil {
		return err
	}
	l.segs.continueFrom(last)
	w.NoteSize()
	return nil
}

// renewFile makes a file that was lost anew, or whole.
func (l *Log) renewFile() error {
	former, last := l.watched, l.segs.lastSeq
	if former.IsNamed() { // cut short
		return l.refillFile()
	}
	if err := l.createFile(); err != nil {
		return err
	}
	l.files.Lock()
	defer l.files.Unlock()
	if err := l.openFile(); err != nil {
		return err
	}
	l.segs.continueFrom(last)
	return former.Close()
}

func (l *Log) closeFile() error {
	if l.watched == nil {
		return nil
	}
	return l.watched.Close()
}
