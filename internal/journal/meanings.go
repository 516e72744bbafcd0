package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/wal"
)

// ErrInUse says that another process has the journal open.
var ErrInUse = errors.New("another rotatord holds it")

// ErrDamaged says that a file, or one record of it, is not what was written.
var ErrDamaged = durable.ErrDamaged

// ErrNewer says that the file was written by a newer rotatord.
var ErrNewer = durable.ErrNewer

var errClosed = errors.New("the journal is closed")

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// What was tried when the journal failed.
const (
	opening = "open journal"
	reading = "read journal"
	writing = "write journal"
)

// meaning is what some errors mean. They are of the disk, and may go by themselves, but for what
// was tried in vain for good. A fault.Table has one class an error, whatever was tried.
type meaning struct {
	errs   []error
	inVain []string     // what need not be tried again
	reason fault.Reason // of that
	shown  error        // in place of the error, if set
	hint   string       // what a person can do; %s is the file
}

const lossHint = "rotatord writes what it knows to a new file; " +
	"find out what else works in its state folder, and keep it out"

// ofFiles are the meanings of what is wrong with the database's and the log's file.
func ofFiles() []meaning {
	return []meaning{
		{
			errs:   []error{berrors.ErrTimeout, wal.ErrInUse},
			inVain: []string{opening}, reason: fault.Conflict, shown: ErrInUse,
			hint: "stop the other one, or give this one a state.path of its own",
		},
		{
			errs:   []error{ErrNewer},
			inVain: []string{opening}, reason: fault.Invalid,
			hint: "run the rotatord that made it, or a newer one, or restore a backup of before; the file was not touched",
		},
		{
			errs:   []error{durable.ErrNotRegular},
			inVain: []string{opening}, reason: fault.Invalid,
			hint: "move away what is there, or set another state.path",
		},
		{
			errs:  []error{errClosed, wal.ErrClosed, berrors.ErrDatabaseNotOpen},
			shown: errClosed,
			hint:  "rotatord is stopping",
		},
		{
			errs: []error{durable.ErrLost},
			hint: lossHint,
		},
		{
			errs: []error{durable.ErrFolderMoved},
			hint: "put the file back, with its folder: rotatord then goes on by itself; a restart without it loses what it knows",
		},
		{
			errs: []error{durable.ErrReplaced},
			hint: "rotatord leaves what is there alone: put the former file back, or restart rotatord to use what is there now",
		},
		{
			errs: []error{fs.ErrExist},
			hint: "something was put in the file's place meanwhile: rotatord leaves it alone; restart rotatord to use it",
		},
		{
			errs:   damageErrors(),
			inVain: []string{opening, reading}, reason: fault.Invalid,
			hint: "stop rotatord and restore the file from a backup, or move it aside, with the state-*.log beside it, " +
				"to start afresh: the tokens it knew are then reported, and `rotatord tokens prune` retires them",
		},
	}
}

// ofDisk are the meanings of what the operating system answers.
func ofDisk() []meaning {
	return []meaning{
		{
			errs: []error{syscall.ENOSPC, syscall.EDQUOT},
			hint: "the disk is full: make room; rotatord goes on by itself",
		},
		{
			errs: []error{syscall.EROFS},
			hint: "the file system is read-only: mount it read-write; rotatord goes on by itself",
		},
		{
			errs: []error{syscall.EIO},
			hint: "the disk fails: see the kernel's log and replace it; the journal is the one file to save",
		},
		{
			errs: []error{syscall.ENOTSUP, syscall.ENOSYS, syscall.ENOLCK, syscall.ENODEV},
			hint: "this file system lacks what the journal needs, locks and files mapped into memory: " +
				"put state.path on another, such as ext4 or xfs",
		},
		{
			errs: []error{fs.ErrPermission},
			hint: "give the user rotatord runs as the right to read and write state.path",
		},
	}
}

// meanings are those of all errors; the first that fits counts.
func meanings() []meaning { return append(ofFiles(), ofDisk()...) }

// ofLog are the meanings of a log's errors when it is opened, before those of every file.
func ofLog() []meaning {
	return []meaning{
		{
			errs:   []error{wal.ErrMissing},
			inVain: []string{opening}, reason: fault.Invalid,
			hint: "put it back; if it is lost for good, consent to start without it: make an empty file %s" + asideSuffix +
				"; what was saved last is then not known, as with an older backup",
		},
		{
			errs:   damageErrors(),
			inVain: []string{opening}, reason: fault.Invalid,
			hint: "restore the state folder from a backup, or, if the log is lost for good, consent to start without it: " +
				"rename it to %s" + asideSuffix +
				"; what was saved last, most often some seconds, is then not known, as with an older backup",
		},
	}
}

func damageErrors() []error {
	return []error{ErrDamaged, berrors.ErrInvalid, berrors.ErrChecksum, berrors.ErrVersionMismatch}
}

func isAny(err error, of []error) bool {
	return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
}

// faultOf returns the fault of what was tried on a file, by the first meaning that fits.
func faultOf(tried, path string, err error, known []meaning) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) { // the caller's
		f := fault.Of(err)
		f.Op, f.Object = tried, path
		return f
	}
	f := &fault.Error{
		Class: fault.Retry, Reason: fault.Storage, Op: tried, Object: path, Err: err,
		Hint: "check the disk and the permissions of state.path",
	}
	if i := slices.IndexFunc(known, func(m meaning) bool { return isAny(err, m.errs) }); i >= 0 {
		known[i].explain(f)
	}
	if r, ok := errors.AsType[*moving.Refusal](err); ok {
		r.Explain(f, filepath.Dir(path))
	}
	if errors.Is(err, durable.ErrLost) {
		f.Err = lost{err}
	}
	return f
}

func (m meaning) explain(f *fault.Error) {
	f.Hint = strings.ReplaceAll(m.hint, "%s", f.Object)
	if slices.Contains(m.inVain, f.Op) {
		f.Class, f.Reason = fault.Permanent, m.reason
	}
	if m.shown != nil {
		f.Err = m.shown
	}
}

// lost is an error that Restore mends.
type lost struct{ error }

// Unwrap returns what happened.
func (l lost) Unwrap() error { return l.error }

// Is makes it slot.ErrRecordsLost.
func (lost) Is(target error) bool { return target == slot.ErrRecordsLost }

func openFault(path string, err error) error { return faultOf(opening, path, err, meanings()) }

func logFault(path string, err error) error {
	return faultOf(opening, path, err, append(ofLog(), meanings()...))
}

func troubleFault(path string, err error) error { return faultOf(writing, path, err, meanings()) }

func (b *Bolt) writeFault(err error) error { return faultOf(writing, b.path, err, meanings()) }

func (b *Bolt) readFault(err error) error { return faultOf(reading, b.path, err, meanings()) }
