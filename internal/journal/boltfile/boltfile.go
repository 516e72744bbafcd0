// Package boltfile is a bbolt database whose file may be damaged, taken away or replaced while
// it is in use, and which answers with errors then. bbolt trusts its file: it ends the process,
// or panics with its locks held. So the file is verified before it is mapped, panics and faults
// of mapped pages are caught, and a file after whose crash bbolt may hold a lock is not used any
// more, but can be replaced by another.
//
// It knows neither what is kept in the file nor what replaces it: the journal does. Damage is told
// by durable.ErrDamaged.
package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/journal/boltcheck"
)

// lockWait is how long another process that has the file open is waited for.
const lockWait = 200 * time.Millisecond

// File is an open database. Safe for concurrent use.
type File struct {
	path string

	mu      sync.RWMutex // Renew changes what follows
	db      *bbolt.DB
	watched *durable.Watched
	broken  atomic.Pointer[error] // a crash after which bbolt may hold its locks
}

// Open verifies the file at path, and has judge look at what it holds, under bbolt's shared
// lock and without writing; then it opens it. Its error is durable.ErrDamaged, one of judge's,
// bbolt's timeout when another process has the file, or of the operating system.
func Open(path string, judge func(*bbolt.Tx) error) (*File, error) {
	if err := guarded(func() error { return verifyFile(path, judge) }); err != nil {
		return nil, err
	}
	return openAt(path, path)
}

// openAt opens a file, or makes it, which has the name path or is to get it.
func openAt(at, path string) (f *File, err error) {
	var file *os.File
	o := options()
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		file, err = os.OpenFile(name, flag, mode) //nolint:gosec // the operator names the folder
		return file, err
	}
	f = &File{path: path}
	if err := guarded(func() error { f.db, err = bbolt.Open(at, 0o600, o); return err }); err != nil {
		return nil, err
	}
	if f.watched, err = durable.Watch(path, file); err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	return f, nil
}

// options keep no list of free pages in the file: bbolt finds them with each start, and need not
// write them with each commit. A file that has one is read all the same.
func options() *bbolt.Options {
	return &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType}
}

func verifyFile(path string, judge func(*bbolt.Tx) error) error {
	o := options()
	o.ReadOnly = true
	db, err := bbolt.Open(path, 0, o)
	if err != nil {
		return whyUnreadable(err)
	}
	err = boltcheck.File(path)
	if err == nil {
		err = db.View(judge)
	}
	return errors.Join(err, db.Close())
}

// whyUnreadable tells a file that makes no sense to bbolt from one it could not get at.
func whyUnreadable(err error) error {
	var path *fs.PathError
	var number syscall.Errno
	if errors.Is(err, berrors.ErrTimeout) || errors.As(err, &path) || errors.As(err, &number) {
		return err
	}
	return fmt.Errorf("%w: %w", durable.ErrDamaged, err)
}

// crash is a panic that was caught.
type crash struct{ value any }

// Error returns the panic's value.
func (c *crash) Error() string { return fmt.Sprint(c.value) }

// guarded runs f and turns bbolt's panics, and faults of reading mapped pages, into
// errors. The callbacks of others do not belong inside it.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %w", durable.ErrDamaged, &crash{r})
		}
	}()
	return f()
}

// View reads in one transaction.
func (f *File) View(read func(tx *bbolt.Tx) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.WhyBroken(); err != nil {
		return err
	}
	begun := false
	err := guarded(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			begun = true
			return read(tx)
		})
	})
	if !begun {
		f.noteCrash(err)
	}
	return err
}

// Update writes in one transaction, which is synced. One goroutine at a time may do so, or
// Renew.
func (f *File) Update(change func(tx *bbolt.Tx) error) error {
	if err := f.WhyBroken(); err != nil {
		return err
	}
	err := guarded(func() error { return f.db.Update(change) })
	if err != nil {
		f.noteCrash(err)
		return err
	}
	f.watched.NoteSize()
	return nil
}

// noteCrash notes a crash after which bbolt may hold a lock: never wait for it again.
func (f *File) noteCrash(err error) {
	var c *crash
	if errors.As(err, &c) {
		f.broken.Store(&err)
	}
}

// WhyBroken returns the crash after which the file is not used any more, or nil.
func (f *File) WhyBroken() error {
	if err := f.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// FindTrouble returns what happened to the file, as durable.Watched does.
func (f *File) FindTrouble() error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.watched.FindTrouble()
}

// IsSound reports whether the file that has the name is ours, and makes sense to bbolt.
func (f *File) IsSound() bool { return f.watched.IsNamed() && boltcheck.File(f.path) == nil }

// IsReadable reports whether the file was not cut short, and can still be read.
func (f *File) IsReadable() bool { return f.WhyBroken() == nil && f.watched.IsWhole() }

// LastWritten returns when the file was last written.
func (f *File) LastWritten() (time.Time, error) {
	info, err := f.watched.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Unmap lets go of the pages that reading and writing has mapped: the kernel keeps them as long
// as it has room, but they are not ours. What is read again is mapped again.
func (f *File) Unmap() {
	_ = f.View(func(tx *bbolt.Tx) error { // while a transaction reads, bbolt does not map anew
		_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, f.db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		return nil
	})
}

// Close closes the file, unless bbolt may hold a lock of it.
func (f *File) Close() error {
	if f.broken.Load() != nil {
		return nil
	}
	return f.db.Close()
}
