package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/slot"
)

// Load calls visit for every record, in the order of their keys, outside any
// transaction: visit may save. Damaged records are left out and named in the error
// once the others have been visited; an error of visit's ends it at once. Once all are
// good, saves are ready to be made.
func (b *Bolt) Load(ctx context.Context, visit func(*slot.Record) error) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	var damaged damages
	var reader sync.WaitGroup
	defer reader.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []decoded, 1) // the next is decoded while one is visited
	var failed error
	reader.Go(func() {
		defer close(batches)
		failed = b.readAll(ctx, batches)
	})
	for batch := range batches {
		for i := range batch {
			d := &batch[i]
			if d.err != nil {
				damaged.add(b.readFault(d.err))
			} else if err := visit(&d.record); err != nil {
				return err
			}
		}
	}
	if failed != nil {
		return failed
	}
	b.Unmap()
	if err := damaged.err(); err != nil {
		return err
	}
	return b.begin(ctx)
}

// readAll sends all records, in batches, until ctx ends.
func (b *Bolt) readAll(ctx context.Context, to chan<- []decoded) error {
	for after := []byte(nil); ctx.Err() == nil; {
		batch, err := b.batch(after)
		if err != nil || len(batch) == 0 {
			return err
		}
		after = batch[len(batch)-1].key
		select {
		case to <- decodeAll(batch):
		case <-ctx.Done():
		}
	}
	return b.readFault(ctx.Err())
}

type decoded struct {
	record slot.Record
	err    error
}

// decodeAll decodes a batch on all processors: that is most of the work of a start.
func decodeAll(batch []raw) []decoded {
	out := make([]decoded, len(batch))
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(batch); i += workers {
				out[i].err = batch[i].record(&out[i].record)
			}
		})
	}
	wg.Wait()
	return out
}

// damages collects what is damaged, and names the first few.
type damages struct {
	named []error
	more  int
}

const namedDamages = 10

func (d *damages) add(err error) {
	if len(d.named) == namedDamages {
		d.more++
		return
	}
	d.named = append(d.named, err)
}

func (d *damages) err() error {
	if d.more > 0 {
		return errors.Join(append(d.named, fmt.Errorf("and %d more", d.more))...)
	}
	return errors.Join(d.named...)
}

// raw is an entry copied out of its transaction.
type raw struct{ key, value []byte }

func (r raw) record(into *slot.Record) error {
	if err := decodeWith(recordCodec, r, into); err != nil {
		return fmt.Errorf("record of slot %q: %w", r.key, err)
	}
	if into.Key.String() != string(r.key) {
		return fmt.Errorf("record of slot %q: %w: it says it is of slot %q", r.key, ErrDamaged, into.Key)
	}
	return nil
}

func decodeWith[T any](c codec[T], r raw, into *T) error {
	content, err := decode(r.key, r.value)
	if err != nil {
		return err
	}
	if err := c.unmarshal(string(content), into); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// Unmap lets go of the pages that reading and writing has mapped: the kernel keeps
// them as long as it has room, but they are not ours. What is read again is mapped
// again.
func (b *Bolt) Unmap() {
	_ = b.view(func(tx *bbolt.Tx) error { // while a transaction reads, bbolt does not map anew
		_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, b.db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		return nil
	})
}

const batchSize = 2048

// batch copies the entries that come after a key.
func (b *Bolt) batch(after []byte) (list []raw, err error) {
	err = b.view(func(tx *bbolt.Tx) error {
		list = nil
		c := tx.Bucket(slotBucket).Cursor()
		k, v := c.Seek(after)
		if after != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		for ; k != nil && len(list) < batchSize; k, v = c.Next() {
			if after != nil && bytes.Compare(k, after) <= 0 {
				return damagedf("its keys are out of order")
			}
			after = k
			list = append(list, raw{bytes.Clone(k), bytes.Clone(v)})
		}
		return nil
	})
	return list, err
}
