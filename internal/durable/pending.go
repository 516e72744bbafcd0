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
}

// Create makes a file of the name temp, with mode 0600, in place of one that a crash has left.
// It fails with unix.EWOULDBLOCK where another process is at it, and with a *StaleError where what
// has the name cannot be removed.
func Create(temp string) (*Pending, error) {
	p, err := createExclusive(temp)
	if errors.Is(err, fs.ErrExist) {
		if err := RemoveStale(temp); err != nil {
			return nil, err
		}
		p, err = createExclusive(temp)
	}
	return p, err
}

func createExclusive(temp string) (*Pending, error) {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return nil, err
	}
	locked, err := lockAgain(f)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK): // the name is another's
		return nil, errors.Join(err, f.Close())
	case err != nil:
		return nil, errors.Join(err, os.Remove(temp), f.Close())
	}
	return &Pending{f, locked}, nil
}

// lockAgain locks f through a descriptor of its own. Until then f may be taken for stale: then it
// has lost its name, and what has it now is left alone.
func lockAgain(f *os.File) (*os.File, error) {
	path := f.Name()
	again, err := openForLock(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ELOOP):
		return nil, inUse(path)
	case err != nil:
		return nil, err
	}
	if err = inUse(path); isSameFile(f, again) {
		err = lockIfNamed(again, path)
	}
	if err != nil {
		return nil, errors.Join(err, again.Close())
	}
	return again, nil
}

func openForLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) //nolint:gosec // see createExclusive
}

// CloseWriter ends the writing. It comes before Rename: who watches the folder sees no file of the
// final name being closed.
func (p *Pending) CloseWriter() error { return p.File.Close() }

// Rename gives the file the name path, in the place of what has it. Close then ends the lock, and
// SyncFolder makes the name durable.
func (p *Pending) Rename(path string) error { return os.Rename(p.Name(), path) }

// Cancel removes the file.
func (p *Pending) Cancel() error { return errors.Join(os.Remove(p.Name()), p.Close()) }

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

// Unwrap gives errors.Is the cause.
func (e *StaleError) Unwrap() error { return e.Err }

// RemoveStale removes what has the name temp, unless its maker lives: then it fails with
// unix.EWOULDBLOCK.
func RemoveStale(temp string) error {
	info, err := os.Lstat(temp)
	if err != nil {
		return unlessAbsent(err)
	}
	if info.IsDir() {
		return &StaleError{info, unix.EISDIR}
	}
	if !info.Mode().IsRegular() {
		return removeFile(temp, info)
	}
	f, err := openForLock(temp)
	switch {
	case errors.Is(err, fs.ErrPermission):
		if time.Since(info.ModTime()).Abs() < StaleAge {
			return inUse(temp)
		}
		return removeFile(temp, info)
	case err != nil:
		return unlessAbsent(err)
	}
	defer f.Close()                              //nolint:errcheck // read only; it ends the lock
	if err := lockIfNamed(f, temp); err != nil { // its maker lives, or has just finished, and the next may have begun
		return err
	}
	return removeFile(temp, info)
}

func removeFile(path string, info fs.FileInfo) error {
	err := unlessAbsent(os.Remove(path))
	if errors.Is(err, fs.ErrPermission) {
		return &StaleError{info, err}
	}
	return err
}

// lockIfNamed locks f, unless it has lost its name before.
func lockIfNamed(f *os.File, path string) error {
	if err := lockFile(f); err != nil {
		return err
	}
	if !isNamed(f, path) {
		return inUse(path)
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

// isNamed reports whether path is the name of f.
func isNamed(f *os.File, path string) bool {
	info, err := f.Stat()
	now, lerr := os.Lstat(path)
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
