// Package journal keeps the slots' records and history durably, in a bbolt database
// with a write-ahead log before it, and finds damage rather than guessing around it.
//
// A save is durable once it is in the log: one write and one sync, where the
// database takes two and consumers may be waiting. The log is checkpointed into
// the database when one of its segments is full, when records are loaded, with every
// Check and at the end; after a crash, at the next start.
package journal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/journal/boltfile"
	"github.com/rotatord/rotatord/internal/wal"
)

// FileName is the journal's file in the state folder.
const FileName = "state.db"

// probeSize is what Check writes: more than a record takes. Written over and over,
// it keeps that much room inside the file for a checkpoint on a disk that has since filled up.
const probeSize = 16 << 10

// Options of a journal; the zero value will do.
type Options struct {
	// Observe, if set, is called once per commit with how long its callers waited and
	// how it ended, and for a checkpoint that failed. It must not block.
	Observe func(took time.Duration, err error)
	// Warn, if set, is told what a person should know.
	Warn func(text string)
	// ToMove opens a journal that was moved, or is not whole yet, too.
	ToMove bool

	publish boltfile.Publisher      // nil: as this machine's kernel does
	wrapLog func(wal.File) wal.File // for tests
}

func (o Options) observe(took time.Duration, err error) {
	if o.Observe != nil {
		o.Observe(took, err)
	}
}

func (o Options) warn(text string) {
	if o.Warn != nil {
		o.Warn(text)
	}
}

// Bolt is rotation's Journal in one folder. It is safe for concurrent use; saves
// that come while a commit runs go into the next commit together.
type Bolt struct {
	path    string
	options Options
	db      *database
	log     *wal.Log
	events  atomic.Uint64 // sequence number of the latest event
	notes   notes
}

// Size is how many bytes the journal's files have; -1 while they cannot be found.
func (b *Bolt) Size() (n int64) {
	for _, path := range []string{b.path, b.logPath()} {
		info, err := os.Stat(path)
		if err != nil {
			return -1
		}
		n += info.Size()
	}
	return n
}

// Open opens the journal in the folder dir, or makes both: the folder 0700, the file
// 0600. It fails with ErrInUse when another process has it open, and refuses,
// without touching it, a file of a newer format, one that is damaged, and one whose journal was moved.
func Open(dir string, opts Options) (*Bolt, error) {
	path := filepath.Join(dir, FileName)
	if opts.publish == nil {
		opts.publish = durable.Kernel().Publish
	}
	db, err := openDatabase(path, opts.publish, opts.ToMove)
	if err != nil {
		return nil, openFault(path, err)
	}
	b := &Bolt{path: path, options: opts, db: db}
	if err := b.openLog(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return b, nil
}

func (b *Bolt) logPath() string { return filepath.Join(filepath.Dir(b.path), b.db.meta.logName()) }

// openLog opens the log and brings what a crash has left in it into the database. It is put
// in use once the records are found good, or with the first save: what is refused is not touched.
func (b *Bolt) openLog() error {
	path := b.logPath()
	consent, err := b.openLogWith(path)
	if err != nil {
		return logFault(path, err)
	}
	b.events.Store(b.log.LastSeq() << 24) // above those of all batches: no process gives a number again
	if err := errors.Join(b.log.Recover(), b.readNotes()); err != nil {
		return openFault(b.path, err)
	}
	if consent {
		if err := b.useUpConsent(path + asideSuffix); err != nil {
			return errors.Join(logFault(path, err), b.log.Close())
		}
	}
	return nil
}

// openLogWith opens the log, or goes on without one that is lost where a person consents to it.
func (b *Bolt) openLogWith(path string) (consent bool, err error) {
	meta := b.db.meta
	o := wal.Options{
		Path: path, Store: b.db, State: meta.log, Unmarked: meta.format < sessionsSince,
		Publish: b.options.publish, Observe: b.options.observe, WrapFile: b.options.wrapLog,
	}
	consent = exists(path + asideSuffix)
	b.log, err = wal.Open(o)
	if !errors.Is(err, wal.ErrMissing) {
		return consent, err
	}
	written := b.db.lastWritten()
	if !consent {
		return false, missingLog{written}
	}
	b.options.warn("starting without the log " + path + ", as the file " + path + asideSuffix + " allows: the database " +
		"was last written at " + written + ", and what was saved after that is not known, as with an older backup")
	o.AcceptLoss = true
	b.log, err = wal.Open(o)
	return consent, err
}

// asideSuffix after the log's name names a file by which a person consents to a start without it.
const asideSuffix = ".aside"

// useUpConsent puts the consent away: it counts once.
func (b *Bolt) useUpConsent(path string) error {
	used := path + "." + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(path, used); err != nil {
		return err
	}
	b.options.warn(path + " was renamed to " + used + ": it counts once, and can be deleted")
	return nil
}

// missingLog is the wal.ErrMissing of a database that was last written at some time.
type missingLog struct{ written string }

// Error says what is missing.
func (e missingLog) Error() string {
	return "it is missing, and was in use when rotatord last ran: what was saved after " + e.written + " is in it alone"
}

// Is makes it wal.ErrMissing.
func (missingLog) Is(target error) bool { return target == wal.ErrMissing }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// DigestKey is the installation's random key for the digests of receipts.
func (b *Bolt) DigestKey() []byte { return bytes.Clone(b.db.meta.digestKey) }

// Check writes and syncs a probe of a record's size, to the log and to the database;
// not before the database holds all else, so that a disk that stays full does not fill
// the log with probes. It also fails when a file is no longer the one in the state
// folder, where nothing written would be found again, or was cut short.
func (b *Bolt) Check(ctx context.Context) error {
	if err := b.filesFault(b.findTrouble()); err != nil {
		b.options.observe(0, err)
		return err
	}
	probe := appendChange(nil, metaBucket, probeKey, make([]byte, probeSize))
	for _, step := range []func() error{
		func() error { return b.checkMark(ctx) },
		func() error { return b.log.Checkpoint(ctx) },
		func() error { return b.log.Append(ctx, probe) },
		func() error { return b.log.Checkpoint(ctx) },
	} {
		if err := step(); err != nil {
			return b.writeFault(err)
		}
	}
	return nil
}

// Close waits for the saves that wait, has the database hold everything, and closes the
// files. A Save after it fails.
func (b *Bolt) Close() error {
	if err := errors.Join(b.log.Close(), b.db.Close()); err != nil { // the log has all: the next start brings it home
		return b.writeFault(err)
	}
	return nil
}
