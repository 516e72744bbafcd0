package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// ErrInUse says that another process has the journal open.
var ErrInUse = errors.New("another rotatord holds it")

// ErrDamaged says that a file, or one record of it, is not what was written.
var ErrDamaged = errors.New("damaged")

// ErrNewer says that the file was written by a newer rotatord.
var ErrNewer = errors.New("made by a newer rotatord")

var (
	errReplaced    = errors.New("the file was replaced while rotatord has the former one open")
	errOverwritten = fmt.Errorf("%w: another was copied over it", errReplaced)
	errNoFile      = errors.New("it is not a regular file")
	errClosed      = errors.New("the journal is closed")
	errTooLarge    = errors.New("the record is larger than the log can take")
)

const (
	lossHint     = "rotatord writes what it knows to a new file; find out what else works in its state folder, and keep it out"
	replacedHint = "rotatord leaves what is there alone: put the former file back, or restart rotatord to use what is there now"
)

const damageHint = "stop rotatord and restore the file from a backup, or move it aside, with the state-*.log beside it, to start afresh: " +
	"the tokens it knew are then reported, and `rotatord tokens prune` retires them"

const logDamageHint = "restore the state folder from a backup, or, if the log is lost for good, consent to start without it: %s; " +
	"what was saved last, most often some seconds, is then not known, as with an older backup"

// crash is a panic that was caught.
type crash struct{ value any }

// Error gives the panic's value.
func (c *crash) Error() string { return fmt.Sprint(c.value) }

// guarded runs f and turns bbolt's panics, and faults of reading mapped pages, into
// errors. The callbacks of others do not belong inside it.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %w", ErrDamaged, &crash{r})
		}
	}()
	return f()
}

// openFault is Retry and Storage where the disk may come right by itself; what only a
// person can mend has another reason.
func openFault(path string, err error) error {
	f := &fault.Error{Class: fault.Permanent, Reason: fault.Invalid, Op: "open journal", Object: path, Err: err}
	switch {
	case errors.Is(err, berrors.ErrTimeout), errors.Is(err, ErrInUse):
		f.Reason, f.Err = fault.Conflict, ErrInUse
		f.Hint = "stop the other one, or give this one a state.path of its own"
	case errors.Is(err, ErrNewer):
		f.Hint = "run the rotatord that made it, or a newer one, or restore a backup of before; the file was not touched"
	case errors.Is(err, errNoFile):
		f.Hint = "move away what is there, or set another state.path"
	case isDamage(err):
		f.Hint = damageHint
	default:
		f.Class, f.Reason, f.Hint = fault.Retry, fault.Storage, diskHint(err)
	}
	return f
}

// logFault is openFault for the log.
func logFault(path string, err error) error {
	err = openFault(path, err)
	var f *fault.Error
	var missing missingLog
	switch {
	case !errors.As(err, &f):
	case errors.As(err, &missing):
		f.Class, f.Reason = fault.Permanent, fault.Invalid
		f.Hint = "put it back; if it is lost for good, consent to start without it: make an empty file " + path + asideSuffix +
			"; what was saved last is then not known, as with an older backup"
	case isDamage(err):
		f.Hint = fmt.Sprintf(logDamageHint, "rename it to "+path+asideSuffix)
	}
	return err
}

func isDamage(err error) bool {
	for _, d := range []error{ErrDamaged, berrors.ErrInvalid, berrors.ErrChecksum, berrors.ErrVersionMismatch} {
		if errors.Is(err, d) {
			return true
		}
	}
	return false
}

// waitEnded is the fault of a caller whose context ended; nil for any other error.
func (b *Bolt) waitEnded(op string, err error) *fault.Error {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	f := fault.Of(err)
	f.Op, f.Object = op, b.path
	return f
}

func (b *Bolt) writeFault(err error) error {
	if f := b.waitEnded("write journal", err); f != nil {
		return f
	}
	f := &fault.Error{Class: fault.Retry, Reason: fault.Storage, Op: "write journal", Object: b.path, Err: err}
	switch {
	case errors.Is(err, errClosed):
		f.Hint = "rotatord is stopping"
	case errors.Is(err, slot.ErrRecordsLost):
		f.Hint = lossHint
	case errors.Is(err, errReplaced):
		f.Hint = replacedHint
	case errors.Is(err, fs.ErrExist):
		f.Hint = "something was put in the file's place meanwhile: rotatord leaves it alone; restart rotatord to use it"
	case isDamage(err):
		f.Hint = damageHint
	default:
		f.Hint = diskHint(err)
	}
	return f
}

func (b *Bolt) readFault(err error) error {
	if f := b.waitEnded("read journal", err); f != nil {
		return f
	}
	f := &fault.Error{Class: fault.Retry, Reason: fault.Storage, Op: "read journal", Object: b.path, Err: err}
	switch {
	case errors.Is(err, errClosed), errors.Is(err, berrors.ErrDatabaseNotOpen):
		f.Err, f.Hint = errClosed, "rotatord is stopping"
	case isDamage(err):
		f.Class, f.Reason, f.Hint = fault.Permanent, fault.Invalid, damageHint
	default:
		f.Hint = diskHint(err)
	}
	return f
}

// diskHint says what to do about what the operating system answered.
func diskHint(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full: make room; rotatord goes on by itself"
	case errors.Is(err, syscall.EROFS):
		return "the file system is read-only: mount it read-write; rotatord goes on by itself"
	case errors.Is(err, syscall.EIO):
		return "the disk fails: see the kernel's log and replace it; the journal is the one file to save"
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENODEV):
		return "this file system lacks what the journal needs, locks and files mapped into memory: put state.path on another, such as ext4 or xfs"
	case errors.Is(err, fs.ErrPermission):
		return "give the user rotatord runs as the right to read and write state.path"
	}
	return "check the disk and the permissions of state.path"
}
