package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
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
	taken atomic.Bool // by the writer, or by the caller who gave up
	done  chan error
}

// Save makes r, and the events if any, durable in one commit before it returns. A
// save that still waits ends with ctx; once in a commit its result is awaited.
func (b *Bolt) Save(ctx context.Context, r *slot.Record, events ...slot.Event) error {
	body, err := b.bodyOf(r, events)
	if err != nil {
		return recordFault("encode", r, err)
	}
	err = b.submit(ctx, &save{body: body})
	switch {
	case errors.Is(err, errTooLarge):
		return recordFault("save", r, fmt.Errorf("%w: its %d bytes do not fit", err, len(body)))
	case err != nil:
		return b.writeFault(err)
	}
	return nil
}

// recordFault is about one record: the others can be saved.
func recordFault(op string, r *slot.Record, err error) error {
	return &fault.Error{
		Class: fault.Permanent, Reason: fault.Internal, Op: op, Object: "record of slot " + r.Key.String(), Err: err,
		Hint: "this is a fault of rotatord: please report it; the other slots go on",
	}
}

// bodyOf encodes a record and its events as changes.
func (b *Bolt) bodyOf(r *slot.Record, events []slot.Event) ([]byte, error) {
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
	b.failed = b.finish()
}

// finish brings everything into the database, which then needs no log.
func (b *Bolt) finish() error {
	if err := b.seal(); err != nil {
		return err
	}
	defer func() { <-b.folding }()
	return b.endSession()
}

func (b *Bolt) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed && len(b.queue) == 0
}

// group takes the saves that wait, up to maxGroup and to what one frame can hold;
// those given up are dropped.
func (b *Bolt) group() []*save {
	b.mu.Lock()
	defer b.mu.Unlock()
	var group []*save
	size := 0
	for len(b.queue) > 0 && len(group) < maxGroup {
		s := b.queue[0]
		if size += len(s.body); size > b.log.maxBody() && len(group) > 0 {
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

// commit makes a group durable.
func (b *Bolt) commit(group []*save) {
	began := time.Now()
	err := b.keep(group)
	b.observed(time.Since(began), err)
	for _, s := range group {
		s.done <- err
	}
}

func (b *Bolt) observed(took time.Duration, err error) {
	if b.options.Observe != nil {
		b.options.Observe(took, err)
	}
}

// keep appends a group's changes to the log.
func (b *Bolt) keep(group []*save) error {
	size := sizeOf(group)
	if size > b.log.maxBody() {
		return errTooLarge
	}
	if broken := b.broken.Load(); broken != nil {
		return *broken
	}
	if err := b.beginFirst(); err != nil {
		return err
	}
	if !b.log.room(size) {
		if err := b.seal(); err != nil {
			return err
		}
		go func() {
			if err := b.folded(); err != nil {
				b.observed(0, err)
			}
		}()
	}
	if err := b.log.append(group); err != nil {
		return err
	}
	for _, s := range group {
		b.pending = append(b.pending, s.body)
	}
	return nil
}

// unfolded gives, in their order, the changes that the database does not hold yet.
func (b *Bolt) unfolded(ctx context.Context) ([]change, error) {
	if err := b.turn(ctx); err != nil {
		return nil, err
	}
	b.folding <- struct{}{}
	bodies := slices.Concat(b.sealed, b.pending)
	<-b.folding
	<-b.writing
	return changesOf(bodies)
}

// turn waits for the right to write, which <-b.writing gives back.
func (b *Bolt) turn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case b.writing <- struct{}{}:
		return nil
	case <-b.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fold brings all that was saved before into the database; saves go on meanwhile.
func (b *Bolt) fold(ctx context.Context) error {
	if err := b.turn(ctx); err != nil {
		return err
	}
	err := b.seal()
	<-b.writing
	if err == nil {
		err = b.folded()
	}
	if err != nil {
		b.observed(0, err)
	}
	return err
}

// seal ends the half of the log that is written to, once the other is folded: folded,
// which must follow, brings it into the database. Whoever calls it writes.
func (b *Bolt) seal() error {
	b.folding <- struct{}{}
	if err := b.foldSealed(); err != nil { // it failed before
		<-b.folding
		return err
	}
	b.sealed, b.upTo = b.pending, b.log.last
	b.pending = nil
	b.log.flip()
	return nil
}

// folded brings what was sealed into the database.
func (b *Bolt) folded() error {
	defer func() { <-b.folding }()
	return b.foldSealed()
}

// foldSealed does so in one transaction. The log holds nothing but what was
// acknowledged, so that it does no harm when one that failed was kept after all.
func (b *Bolt) foldSealed() error {
	if len(b.sealed) == 0 && b.held == b.upTo {
		return nil
	}
	return b.storeSealed(func(*bbolt.Tx) error { return nil })
}

// storeSealed brings what was sealed, and something besides, into the database.
func (b *Bolt) storeSealed(besides func(*bbolt.Tx) error) error {
	changes, err := changesOf(b.sealed)
	if err != nil {
		return err
	}
	err = b.updateDatabase(func(tx *bbolt.Tx) error {
		held := encode(heldKey, number(b.upTo))
		return errors.Join(apply(tx, latest(changes)), tx.Bucket(metaBucket).Put(heldKey, held), besides(tx))
	})
	if err == nil {
		b.sealed, b.held = nil, b.upTo
	}
	return err
}

func (b *Bolt) updateDatabase(change func(*bbolt.Tx) error) error {
	if broken := b.broken.Load(); broken != nil {
		return *broken
	}
	err := guarded(func() error {
		return b.db.Update(func(tx *bbolt.Tx) error {
			if err := b.expectOurs(tx); err != nil {
				return err
			}
			return change(tx)
		})
	})
	var c *crash
	switch {
	case err == nil:
		b.dbFile.noteSize()
	case errors.As(err, &c):
		b.broken.Store(&err) // bbolt may still hold its lock: never wait for it again
	}
	return err
}
