package durable

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Pending is a new file on its way to its name. While it has a temporary one it is locked, so that
// another process can tell it from one that a crash has left. It ends with Rename and Close, or with
// Cancel.
type Pending struct {
	*os.File          // for writing; CloseWriter comes before Rename
	lock     *os.File // the same file, read only: its lock lasts until the file has its final name
	folder   *Folder
	temp     string
}

// Create makes a file of the name temp in folder, with mode 0600, in place of one that a crash has left.
// It fails with unix.EWOULDBLOCK where another process is at it, and with a *StaleError where what
// has the name cannot be removed.
func Create(folder *Folder, temp string) (*Pending, error) {
	p, err := createExclusive(folder, temp)
	if errors.Is(err, fs.ErrExist) {
		if err := RemoveStale(folder, temp); err != nil {
			return nil, err
		}
		p, err = createExclusive(folder, temp)
	}
	return p, err
}

func createExclusive(folder *Folder, temp string) (*Pending, error) {
	f, err := folder.Open(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := lockAgain(f, folder, temp)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK): // the name is another's
		return nil, errors.Join(err, f.Close())
	case err != nil:
		return nil, errors.Join(err, folder.Remove(temp), f.Close())
	}
	return &Pending{f, locked, folder, temp}, nil
}

// lockAgain locks f, called name, through a descriptor of its own. Until then f may be taken for stale: then it
// has lost its name, and what has it now is left alone.
func lockAgain(f *os.File, folder *Folder, name string) (*os.File, error) {
	again, err := openForLock(folder, name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ELOOP):
		return nil, inUse(folder.Join(name))
	case err != nil:
		return nil, err
	}
	if err = inUse(folder.Join(name)); isSameFile(f, again) {
		err = lockIfNamed(again, folder, name)
	}
	if err != nil {
		return nil, errors.Join(err, again.Close())
	}
	return again, nil
}

func openForLock(folder *Folder, name string) (*os.File, error) {
	return folder.Open(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// CloseWriter ends the writing. It comes before Rename: who watches the folder sees no file of the
// final name being closed.
func (p *Pending) CloseWriter() error { return p.File.Close() }

// Rename gives the file a name in its folder, in the place of what has it. Close then ends the lock, and
// a sync of the folder makes the name durable.
func (p *Pending) Rename(name string) error { return p.folder.Rename(p.temp, name) }

// Cancel removes the file.
func (p *Pending) Cancel() error { return errors.Join(p.folder.Remove(p.temp), p.Close()) }

// Close ends what is still open, and with it the lock. It may be called again.
func (p *Pending) Close() error {
	var errs []error
	for _, f := range []*os.File{p.File, p.lock} {
		if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// StaleAge is the age from which a temporary file counts as left behind where its maker's lock
// cannot be asked for.
const StaleAge = time.Minute

// StaleError says that what has a temporary file's name cannot be removed.
type StaleError struct {
	Info fs.FileInfo // of what is there
	Err  error
}

// Error implements error.
func (e *StaleError) Error() string { return e.Err.Error() }

// Unwrap returns the cause, for errors.Is.
func (e *StaleError) Unwrap() error { return e.Err }

// RemoveStale removes what has the name temp in folder, unless its maker lives: then it fails with
// unix.EWOULDBLOCK.
func RemoveStale(folder *Folder, temp string) error {
	info, err := folder.Lstat(temp)
	if err != nil {
		return unlessAbsent(err)
	}
	if info.IsDir() {
		return &StaleError{info, unix.EISDIR}
	}
	if !info.Mode().IsRegular() {
		return removeFile(folder, temp, info)
	}
	f, err := openForLock(folder, temp)
	switch {
	case errors.Is(err, fs.ErrPermission):
		if time.Since(info.ModTime()).Abs() < StaleAge {
			return inUse(folder.Join(temp))
		}
		return removeFile(folder, temp, info)
	case err != nil:
		return unlessAbsent(err)
	}
	defer f.Close()                                      //nolint:errcheck // read only; it ends the lock
	if err := lockIfNamed(f, folder, temp); err != nil { // its maker lives, or has just finished, and the next may have begun
		return err
	}
	return removeFile(folder, temp, info)
}

func removeFile(folder *Folder, name string, info fs.FileInfo) error {
	err := unlessAbsent(folder.Remove(name))
	if errors.Is(err, fs.ErrPermission) {
		return &StaleError{info, err}
	}
	return err
}

// lockIfNamed locks f, unless it has lost its name before.
func lockIfNamed(f *os.File, folder *Folder, name string) error {
	if err := lockFile(f); err != nil {
		return err
	}
	if !isNamed(f, folder, name) {
		return inUse(folder.Join(name))
	}
	return nil
}

func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return inUse(f.Name())
	}
	return nil // a file system without locks: nothing can be learnt
}

// isNamed reports whether f has the name in folder.
func isNamed(f *os.File, folder *Folder, name string) bool {
	info, err := f.Stat()
	now, lerr := folder.Lstat(name)
	return err == nil && lerr == nil && os.SameFile(info, now)
}

// isSameFile reports whether two descriptors are of one file.
func isSameFile(a, b *os.File) bool {
	x, err := a.Stat()
	y, yerr := b.Stat()
	return err == nil && yerr == nil && os.SameFile(x, y)
}

// inUse says that another process has a temporary file's name.
func inUse(path string) error {
	return &fs.PathError{Op: "create", Path: path, Err: unix.EWOULDBLOCK}
}

func unlessAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
