// Package wal is a write-ahead log in one file. An entry is durable once the batch that it is
// part of is in the log: one write and one sync, where the store behind it takes longer and
// somebody may be waiting. A checkpoint brings entries into the store; the store says up to
// which sequence number it holds everything, so that bringing them twice does no harm.
//
// The file's length never changes, and all of it is written once when it is made: to overwrite
// a part of it takes one sync and no room on the disk. It has two segments, so that batches go
// into one while the other is checkpointed, and in its last block a mark:
//
//	segment | segment | "rotlog3\n", and the 16 random bytes that name the session
//
// A batch begins at a block of 4 KiB, so that a write which is torn never reaches an earlier
// one. It is, in big-endian numbers:
//
//	checksum 4 | "log1" 4 | length of the entries 4 | seq 8 | previous 8 | entries
//
// The checksum (CRC-32C, begun with that of the session) covers all that follows it. Sequence
// numbers only grow: a batch whose number the store holds is left over. Each batch names the
// one that was committed before it: one that failed and may be on the disk all the same is
// passed over, one that is missing is damage, and one that a crash has torn, the last, is none.
//
// A session is one use of the log, from a start to an end. The store says which session is in
// use, from before anything is acknowledged until it holds everything: a log that is missing,
// or another, is thus missed after a crash, and not after an orderly end.
package wal

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/durable"
)

// Errors beside those of the operating system, and durable.ErrDamaged.
var (
	// ErrInUse says that another process has the log open.
	ErrInUse = errors.New("another process holds it")
	// ErrMissing says that the log is not there, and the store lacks what was in it.
	ErrMissing = errors.New("it is missing, and was in use")
	// ErrTooLarge says that an entry is larger than a segment.
	ErrTooLarge = errors.New("the record is larger than the log can take")
	// ErrClosed says that the log is closed.
	ErrClosed = errors.New("the log is closed")
	// errNoSession is a durable.ErrLost: no log is in use until Paused.Renew succeeds.
	errNoSession = durable.Lost("no log is in use since the last could not be written anew")
)

// Store is what a log lies before. The log calls it once at a time.
type Store interface {
	// Checkpoint makes entries durable, in their order, and with them, in one step, the state.
	// What it was given before may come again.
	Checkpoint(entries [][]byte, s State) error
}

// State is what a store says of its log.
type State struct {
	Seq     uint64 // checkpointSeq: the store holds every batch up to it
	Session []byte // the one in use; empty when the store needs no log
}

// Options of a log.
type Options struct {
	Path  string // of the log's file
	Store Store
	State State // as the store has it
	// Unmarked says that the store is of a format that knew no sessions: what a log
	// that is there holds beyond State.Seq is taken.
	Unmarked bool
	// AcceptLoss has a log that is needed and missing made anew.
	AcceptLoss bool
	// Publish gives a finished file its name, as durable.System does.
	Publish func(temp, path string) error
	// Observe, if set, is called once per batch with how long it took and how it ended,
	// and for a checkpoint that failed. It must not block.
	Observe func(took time.Duration, err error)
	// WrapFile, if set, puts something between the log and its file.
	WrapFile func(File) File
}

// Log is an open log. It is safe for concurrent use, but for Open's and Recover's sake: they
// come first. Entries that come while a batch is written go into the next together.
type Log struct {
	options Options

	files   sync.RWMutex // Renew replaces it
	watched *durable.Watched

	mu     sync.Mutex
	queue  []*waiter
	closed bool
	done   chan struct{} // closed when nothing is written any more

	writing chan struct{} // holds an element while somebody writes to the log
	segs    segments      // theirs who write
	active  [][]byte      // entries of the segment that is written to

	checkpointing chan struct{} // holds an element while somebody checkpoints
	sealed        [][]byte      // theirs who checkpoint: entries of the other segment,
	sealedSeq     uint64        // its last sequence number,
	checkpointSeq uint64        // and the one up to which the store holds everything
	session       []byte        // in use; nil while nothing can be appended
	nextSession   []byte        // one that was to begin, and failed to
	ended         bool          // the store surely names no session
	recovered     bool          // none was in use yet since Recover
}

// Open opens the log, or makes it where it may be missing, and reads what of it the store
// lacks. Neither is written to yet, but for a log that nobody needs.
func Open(o Options) (*Log, error) {
	l := &Log{
		options: o, done: make(chan struct{}), writing: make(chan struct{}, 1), checkpointing: make(chan struct{}, 1),
		checkpointSeq: o.State.Seq, session: o.State.Session, ended: len(o.State.Session) == 0 && !o.Unmarked,
	}
	if len(l.session) == 0 {
		l.session = nil
	}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, l.closeFile())
	}
	l.sealedSeq = l.segs.lastSeq
	return l, nil
}

// Recover brings what was read into the store. Then the log is ready, and is put in use with
// the first entry, or by Begin. On an error it is closed.
func (l *Log) Recover() error {
	if err := l.endSession(); err != nil {
		return errors.Join(err, l.closeFile())
	}
	l.recovered = true
	return nil
}

// LastSeq returns the number of the latest batch that was found by Open.
func (l *Log) LastSeq() uint64 { return l.sealedSeq }

// Begin puts the log in use, if it is not yet.
func (l *Log) Begin(ctx context.Context) error {
	if err := l.waitTurn(ctx); err != nil {
		return err
	}
	defer l.endTurn()
	return l.ensureSession()
}

// Unapplied returns, in their order, the entries that the store does not hold yet.
func (l *Log) Unapplied(ctx context.Context) ([][]byte, error) {
	if err := l.waitTurn(ctx); err != nil {
		return nil, err
	}
	defer l.endTurn()
	l.checkpointing <- struct{}{}
	defer func() { <-l.checkpointing }()
	return l.unapplied(), nil
}

func (l *Log) unapplied() [][]byte { return slices.Concat(l.sealed, l.active) }

// FindTrouble returns what happened to the log's file, as durable.Watched does.
func (l *Log) FindTrouble() error {
	l.files.RLock()
	defer l.files.RUnlock()
	return l.watched.FindTrouble()
}

// CheckMark finds out whether another log was copied over the one in use: durable.ErrOverwritten.
func (l *Log) CheckMark(ctx context.Context) error {
	if err := l.waitTurn(ctx); err != nil {
		return err
	}
	defer l.endTurn()
	if err := l.ensureSession(); err != nil {
		return err
	}
	if err := l.segs.expectMark(l.session); errors.Is(err, durable.ErrDamaged) {
		return durable.ErrOverwritten
	} else if err != nil {
		return err
	}
	return nil
}

// Close waits for the entries that wait, has the store hold everything, and closes the file.
// Its error says that the store does not: the log then has what it lacks. An Append after it fails.
func (l *Log) Close() error {
	if l.wasClosed() {
		<-l.done
		return nil
	}
	l.writing <- struct{}{} // for good
	for batch := l.nextBatch(); len(batch) > 0; batch = l.nextBatch() {
		l.commitBatch(batch)
	}
	err := l.endStore()
	close(l.done)
	return errors.Join(err, l.closeFile())
}

// wasClosed closes the queue, and reports whether it was closed before.
func (l *Log) wasClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.closed
	l.closed = true
	return before
}

// endStore has the store hold everything, which then needs no log.
func (l *Log) endStore() error {
	if err := l.switchSegments(); err != nil {
		return err
	}
	defer func() { <-l.checkpointing }()
	return l.endSession()
}

// waitTurn waits for the turn to write, which endTurn gives back.
func (l *Log) waitTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.writing <- struct{}{}:
		return nil
	case <-l.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Log) endTurn() { <-l.writing }

func (l *Log) observe(took time.Duration, err error) {
	if l.options.Observe != nil {
		l.options.Observe(took, err)
	}
}
