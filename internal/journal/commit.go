package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/rotation"
)

// maxGroup bounds how many saves one commit takes.
const maxGroup = 1000

// Bytes that a change takes beside its key and content, and that an event usually takes.
const (
	changeRoom = 16
	eventRoom  = 512
)

// save is one caller's wish: it is met by a commit shared with others.
type save struct {
	body  []byte      // changes
	fold  bool        // also into the database
	taken atomic.Bool // by the writer, or by the caller who gave up
	done  chan error
}

// Save makes r, and the events if any, durable in one commit before it returns. A
// save that still waits ends with ctx; once in a commit its result is awaited.
func (b *Bolt) Save(ctx context.Context, r *rotation.Record, events ...rotation.Event) error {
	body, err := b.bodyOf(r, events)
	if err != nil {
		return &fault.Error{Class: fault.Permanent, Reason: fault.Internal, Op: "encode", Object: "record of slot " + r.Key.String(), Err: err}
	}
	if err := b.submit(ctx, &save{body: body}); err != nil {
		return b.writeFault(err)
	}
	return nil
}

// bodyOf encodes a record and its events as changes.
func (b *Bolt) bodyOf(r *rotation.Record, events []rotation.Event) ([]byte, error) {
	scratch := b.scratch.Get().(*[]byte)
	defer b.scratch.Put(scratch)
	text, err := recordCodec.appendTo((*scratch)[:0], r)
	if err != nil {
		return nil, err
	}
	*scratch = text
	key := []byte(r.Key.String())
	body := make([]byte, 0, len(text)+len(key)+changeRoom+eventRoom*len(events))
	body = appendChange(body, slotBucket, key, text)
	for i := range events {
		if text, err = eventCodec.appendTo((*scratch)[:0], &events[i]); err != nil {
			return nil, err
		}
		body = appendChange(body, historyBucket, eventKey(events[i], b.events.Add(1)), text)
	}
	return body, nil
}

// submit waits for the commit of a save. One that comes when nobody else does is
// committed by its own goroutine: in a blackout, each switch to another counts.
func (b *Bolt) submit(ctx context.Context, s *save) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.done = make(chan error, 1)
	alone, err := b.enqueue(s)
	if err != nil {
		return err
	}
	if alone {
		return b.commitAlone(s)
	}
	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
		if s.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-s.done
	}
}

func (b *Bolt) commitAlone(s *save) error {
	defer func() { <-b.writing }()
	b.commit([]*save{s})
	return <-s.done
}

// enqueue puts a save behind the others; where there are none, and nobody writes, it
// takes the turn to write for it.
func (b *Bolt) enqueue(s *save) (alone bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false, errClosed
	}
	if len(b.queue) == 0 {
		select {
		case b.writing <- struct{}{}:
			return true, nil
		default:
		}
	}
	b.queue = append(b.queue, s)
	b.signal()
	return false, nil
}

func (b *Bolt) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// write commits whatever waits, at once and together.
func (b *Bolt) write() {
	defer close(b.done)
	for !b.finished() {
		<-b.wake
		b.writing <- struct{}{}
		for group := b.group(); len(group) > 0; group = b.group() {
			b.commit(group)
		}
		<-b.writing
	}
	b.writing <- struct{}{} // for good
	b.failed = b.fold()
}

func (b *Bolt) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed && len(b.queue) == 0
}

// group takes the saves that wait, up to maxGroup and to what the log can hold; those
// given up are dropped.
func (b *Bolt) group() []*save {
	b.mu.Lock()
	defer b.mu.Unlock()
	var group []*save
	size := 0
	for len(b.queue) > 0 && len(group) < maxGroup {
		s := b.queue[0]
		if size += len(s.body); frameHead+int64(size) > b.log.size && len(group) > 0 {
			break
		}
		b.queue[0] = nil
		b.queue = b.queue[1:]
		if s.taken.CompareAndSwap(false, true) {
			group = append(group, s)
		}
	}
	if len(b.queue) == 0 {
		b.queue = nil
	}
	return group
}

// commit makes a group durable, and folds if one of it wants that: the others do not
// wait for it.
func (b *Bolt) commit(group []*save) {
	began := time.Now()
	err := b.keep(group)
	took := time.Since(began)
	answer(group, false, err)
	folds := slices.ContainsFunc(group, func(s *save) bool { return s.fold })
	if err == nil && folds {
		err = b.fold()
	}
	if b.observe != nil && (err != nil || sizeOf(group) > 0) {
		b.observe(took, err)
	}
	answer(group, true, err)
}

// answer tells those of a group that want a fold, or the others, how it ended.
func answer(group []*save, fold bool, err error) {
	for _, s := range group {
		if s.fold == fold {
			s.done <- err
		}
	}
}

// keep appends a group's changes to the log.
func (b *Bolt) keep(group []*save) error {
	size := sizeOf(group)
	switch {
	case b.broken != nil:
		return b.broken
	case size == 0:
		return nil
	}
	if err := b.makeRoom(size); err != nil {
		return err
	}
	if err := b.log.append(group); err != nil {
		return err
	}
	for _, s := range group {
		b.pending = append(b.pending, s.body)
	}
	return nil
}

// makeRoom sees that so many bytes of changes fit into the log. A burst makes it grow
// before it waits for a fold; what grew folds more at once from then on.
func (b *Bolt) makeRoom(size int) error {
	var narrow error
	for !b.log.room(size) && b.log.size < largeLog && narrow == nil {
		narrow = b.log.grow()
	}
	if b.log.room(size) {
		return nil
	}
	if err := b.fold(); err != nil {
		return err
	}
	switch {
	case b.log.room(size):
		return nil
	case narrow != nil:
		return narrow
	}
	return errTooLarge
}

// fold brings what the log holds into the database, in one transaction, and begins
// the log anew. The log holds nothing but what was acknowledged, so that it does no
// harm when a fold that failed was kept after all.
func (b *Bolt) fold() error {
	if b.broken != nil {
		return b.broken
	}
	if len(b.pending) == 0 && b.log.last == b.held {
		b.log.rewind() // after a start, which reads past what the database holds
		return nil
	}
	changes, err := changesOf(b.pending)
	if err != nil {
		return err
	}
	err = guarded(func() error {
		return b.db.Update(func(tx *bbolt.Tx) error {
			held := encode(heldKey, binary.BigEndian.AppendUint64(nil, b.log.last))
			return errors.Join(apply(tx, latest(changes)), tx.Bucket(metaBucket).Put(heldKey, held))
		})
	})
	var c *crash
	switch {
	case err == nil:
		b.pending, b.held = nil, b.log.last
		b.log.rewind()
	case errors.As(err, &c):
		b.broken = err // bbolt may still hold its lock: never wait for it again
	}
	return err
}
