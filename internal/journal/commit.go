package journal

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/rotation"
)

// maxGroup bounds how many saves one commit takes, and so its memory.
const maxGroup = 1000

// save is one caller's wish: it is applied in a commit shared with others.
type save struct {
	apply func(*edits) error
	taken atomic.Bool // by the writer, or by the caller who gave up
	done  chan error
}

// Save makes r, and the events if any, durable in one commit before it returns. A
// save that still waits ends with ctx; once in a commit its result is awaited.
func (b *Bolt) Save(ctx context.Context, r *rotation.Record, events ...rotation.Event) error {
	key := []byte(r.Key.String())
	content, err := recordCodec.marshal(r)
	if err != nil {
		return b.encodeFault("record of slot "+string(key), err)
	}
	lines := make([][]byte, len(events))
	for i, e := range events {
		if lines[i], err = eventCodec.marshal(&e); err != nil {
			return b.encodeFault("event of slot "+string(key), err)
		}
	}
	return b.submit(ctx, func(e *edits) error {
		if err := e.put(slotBucket, key, encode(key, content)); err != nil {
			return err
		}
		for i, event := range events {
			if err := e.appendEvent(event, lines[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *Bolt) encodeFault(object string, err error) error {
	return &fault.Error{Class: fault.Permanent, Reason: fault.Internal, Op: "encode", Object: object, Err: err}
}

// submit queues a change and waits for its commit.
func (b *Bolt) submit(ctx context.Context, apply func(*edits) error) error {
	if err := ctx.Err(); err != nil {
		return b.writeFault(err)
	}
	s := &save{apply: apply, done: make(chan error, 1)}
	if err := b.enqueue(s); err != nil {
		return b.writeFault(err)
	}
	var err error
	select {
	case err = <-s.done:
	case <-ctx.Done():
		if s.taken.CompareAndSwap(false, true) {
			return b.writeFault(ctx.Err())
		}
		err = <-s.done
	}
	if err != nil {
		return b.writeFault(err)
	}
	return nil
}

func (b *Bolt) enqueue(s *save) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	b.queue = append(b.queue, s)
	b.signal()
	return nil
}

func (b *Bolt) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// write is the single writer: it commits whatever waits, at once and together.
func (b *Bolt) write() {
	defer close(b.done)
	for range b.wake {
		for group := b.group(); len(group) > 0; group = b.group() {
			b.commit(group)
		}
		if b.finished() {
			break
		}
	}
	if len(b.doubts) > 0 {
		b.commit(nil) // what failed and was kept after all is taken back before the end
	}
}

func (b *Bolt) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed && len(b.queue) == 0
}

// group takes the saves that wait, up to maxGroup; those given up are dropped.
func (b *Bolt) group() []*save {
	b.mu.Lock()
	defer b.mu.Unlock()
	var group []*save
	for len(b.queue) > 0 && len(group) < maxGroup {
		s := b.queue[0]
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

func (b *Bolt) commit(group []*save) {
	began := time.Now()
	err := b.transact(group)
	if b.observe != nil {
		b.observe(time.Since(began), err)
	}
	for _, s := range group {
		s.done <- err
	}
}

// transact applies a group in one transaction: all of it or nothing.
func (b *Bolt) transact(group []*save) error {
	if b.broken != nil {
		return b.broken
	}
	var e edits
	err := guarded(func() error {
		return b.db.Update(func(tx *bbolt.Tx) error {
			if err := b.settle(tx); err != nil {
				return err
			}
			e = edits{tx: tx, id: tx.ID()}
			for _, s := range group {
				if err := s.apply(&e); err != nil {
					return err
				}
			}
			return nil
		})
	})
	var c *crash
	switch {
	case err == nil:
		b.doubts = nil
	case errors.As(err, &c):
		b.broken = err // bbolt may still hold its lock: never wait for it again
	case e.tx != nil:
		b.doubts = append(b.doubts, doubt{e.id, e.undo})
	}
	return err
}

// doubt is a commit whose last write failed, so that the file may hold it after
// all; undo takes it back.
type doubt struct {
	id   int
	undo []change
}

// settle takes back, in the next transaction, a failed commit that was kept: its
// number is then the one before this transaction's.
func (b *Bolt) settle(tx *bbolt.Tx) error {
	for len(b.doubts) > 0 && b.doubts[len(b.doubts)-1].id >= tx.ID() {
		b.doubts = b.doubts[:len(b.doubts)-1]
	}
	if len(b.doubts) == 0 {
		return nil
	}
	last := b.doubts[len(b.doubts)-1]
	b.doubts = []doubt{last} // it was made on top of the earlier ones, undone
	for i := len(last.undo) - 1; i >= 0; i-- {
		if err := last.undo[i].apply(tx); err != nil {
			return err
		}
	}
	return nil
}

// edits is a transaction that remembers how to take itself back.
type edits struct {
	tx   *bbolt.Tx
	id   int
	undo []change
}

// change sets a key to a value; nil removes it.
type change struct{ bucket, key, value []byte }

func (c change) apply(tx *bbolt.Tx) error {
	if c.value == nil {
		return tx.Bucket(c.bucket).Delete(c.key)
	}
	return tx.Bucket(c.bucket).Put(c.key, c.value)
}

func (e *edits) put(bucket, key, value []byte) error {
	return e.change(change{bucket, key, value})
}

func (e *edits) remove(bucket, key []byte) error {
	return e.change(change{bucket, key, nil})
}

func (e *edits) change(c change) error {
	before := bytes.Clone(e.tx.Bucket(c.bucket).Get(c.key))
	e.undo = append(e.undo, change{c.bucket, c.key, before})
	return c.apply(e.tx)
}
