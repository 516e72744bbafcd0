package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// Load calls visit for every record, in the order of their keys, outside any
// transaction: visit may save. Damaged records are left out and named in the error
// once the others have been visited; an error of visit's ends it at once. Once all are
// good, saves are ready to be made.
func (b *Bolt) Load(ctx context.Context, visit func(*slot.Record) error) error {
	if err := b.log.Checkpoint(ctx); err != nil { // the database then holds all that was saved
		return b.readFault(err)
	}
	var damaged fault.Several
	if err := b.visitAll(ctx, visit, &damaged); err != nil {
		return err
	}
	b.Unmap()
	if err := damaged.Err(); err != nil {
		return err
	}
	if err := b.log.Begin(ctx); err != nil {
		return b.writeFault(err)
	}
	return nil
}

// visitAll visits what is good, and collects what is not.
func (b *Bolt) visitAll(ctx context.Context, visit func(*slot.Record) error, damaged *fault.Several) error {
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer cancel()
	batches := make(chan []decoded, 1) // the next is decoded while one is visited
	var failed error
	reader.Go(func() {
		defer close(batches)
		failed = b.decodeAll(ctx, batches)
	})
	for batch := range batches {
		for i := range batch {
			d := &batch[i]
			if d.err != nil {
				damaged.Add(b.readFault(d.err))
			} else if err := visit(&d.record); err != nil {
				return err
			}
		}
	}
	return failed
}

type decoded struct {
	record slot.Record
	err    error
}

// decodeAll sends all records, in batches, until ctx ends.
func (b *Bolt) decodeAll(ctx context.Context, to chan<- []decoded) error {
	for after := []byte(nil); ; {
		batch, err := b.readBatch(ctx, after)
		if err != nil {
			return b.readFault(err)
		}
		if len(batch) == 0 {
			return nil
		}
		after = batch[len(batch)-1].key
		select {
		case to <- decodeBatch(batch):
		case <-ctx.Done():
		}
	}
}

// decodeBatch decodes on all processors: that is most of the work of a start.
func decodeBatch(batch []raw) []decoded {
	out := make([]decoded, len(batch))
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(batch); i += workers {
				out[i].err = batch[i].decodeRecord(&out[i].record)
			}
		})
	}
	wg.Wait()
	return out
}

// Empty reports whether no slot has a record.
func (b *Bolt) Empty() (bool, error) {
	if err := b.log.Checkpoint(context.Background()); err != nil {
		return false, b.readFault(err)
	}
	batch, err := b.readBatch(context.Background(), nil)
	if err != nil {
		return false, b.readFault(err)
	}
	return len(batch) == 0, nil
}

// Unmap lets go of the memory that reading and writing has mapped.
func (b *Bolt) Unmap() { b.db.Unmap() }

// raw is an entry of the database, copied out of its transaction.
type raw struct{ key, value []byte }

func (r raw) decodeRecord(into *slot.Record) error {
	if err := r.decode(into); err != nil {
		return fmt.Errorf("record of slot %q: %w", r.key, err)
	}
	if into.Key.String() != string(r.key) {
		return fmt.Errorf("record of slot %q: %w: it says it is of slot %q", r.key, ErrDamaged, into.Key)
	}
	return nil
}

func (r raw) decode(into any) error {
	content, err := decodeEnvelope(r.key, r.value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// batchSize is how many records are read in one transaction.
const batchSize = 2048

// readBatch copies the records that come after a key, up to batchSize.
func (b *Bolt) readBatch(ctx context.Context, after []byte) (batch []raw, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = b.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(slotBucket).Cursor()
		k, v := c.Seek(after)
		if after != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		for ; k != nil && len(batch) < batchSize; k, v = c.Next() {
			if after != nil && bytes.Compare(k, after) <= 0 {
				return damagedf("its keys are out of order")
			}
			after = k
			batch = append(batch, raw{bytes.Clone(k), bytes.Clone(v)})
		}
		return nil
	})
	return batch, err
}
