package wal

import (
	"context"
	"sync/atomic"
	"time"
)

// maxBatch bounds how many entries one batch takes.
const maxBatch = 1000

// waiter is one caller of Append.
type waiter struct {
	entry []byte
	taken atomic.Bool // into a batch, or back by the caller, who gave up
	done  chan error
}

// Append makes an entry durable before it returns; after an error it counts as not kept: the next
// batch takes back what may have reached the disk, and only a crash before that can bring it back. It must
// tell by itself where it ends, since a batch's entries are read back as one, and must not be
// changed afterwards. One that still waits ends with ctx; once it is in a batch, the result is
// awaited.
//
// Nobody waits for company: whoever has the turn writes whatever waits at that moment. One
// that comes alone is thus written by its own goroutine, without a switch to another.
func (l *Log) Append(ctx context.Context, entry []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiter{entry: entry, done: make(chan error, 1)}
	if err := l.enqueue(w); err != nil {
		return err
	}
	select {
	case l.writing <- struct{}{}:
		return l.commitUntil(w)
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if w.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-w.done
	}
}

func (l *Log) enqueue(w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.queue = append(l.queue, w)
	return nil
}

// commitUntil commits batches until w was in one. The others who wait do so for theirs.
func (l *Log) commitUntil(w *waiter) error {
	defer l.endTurn()
	for {
		select {
		case err := <-w.done:
			return err
		default:
			l.commitBatch(l.nextBatch())
		}
	}
}

// nextBatch takes the entries that wait, up to maxBatch and to what a segment can hold; those
// whose callers gave up are dropped.
func (l *Log) nextBatch() (batch []*waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := 0
	for len(l.queue) > 0 && len(batch) < maxBatch {
		w := l.queue[0]
		if size += len(w.entry); size > l.segs.maxEntries() && len(batch) > 0 {
			break
		}
		l.queue[0] = nil
		l.queue = l.queue[1:]
		if w.taken.CompareAndSwap(false, true) {
			batch = append(batch, w)
		}
	}
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return batch
}

// commitBatch makes a batch durable, and tells its callers.
func (l *Log) commitBatch(batch []*waiter) {
	began := time.Now()
	entries := make([][]byte, len(batch))
	for i, w := range batch {
		entries[i] = w.entry
	}
	err := l.write(entries)
	l.observe(time.Since(began), err)
	for _, w := range batch {
		w.done <- err
	}
}

// write appends a batch to the active segment, or to the other when it is full.
func (l *Log) write(entries [][]byte) error {
	size := sizeOf(entries)
	if size > l.segs.maxEntries() {
		return ErrTooLarge
	}
	if err := l.ensureSession(); err != nil {
		return err
	}
	if !l.segs.hasRoom(size) {
		if err := l.switchSegments(); err != nil {
			return err
		}
		go func() { _ = l.finishCheckpoint() }() // it was observed
	}
	if err := l.segs.writeBatch(entries); err != nil {
		return err
	}
	l.active = append(l.active, entries...)
	return nil
}
