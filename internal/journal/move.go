package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/slot"
)

var _ moving.Store = (*Bolt)(nil)

// noteOf returns what a database says of the latest move.
func noteOf(tx *bbolt.Tx) (n moving.Note, err error) {
	value := tx.Bucket(metaBucket).Get(moveKey)
	if value == nil {
		return moving.Note{}, nil
	}
	if err = (raw{moveKey, value}).decode(&n); err != nil {
		err = fmt.Errorf("note of the latest move: %w", err)
	}
	return n, err
}

// putNote makes a note, unless it is none.
func putNote(tx *bbolt.Tx, n moving.Note) error {
	if n == (moving.Note{}) {
		return nil
	}
	text, err := json.Marshal(n)
	meta := tx.Bucket(metaBucket)
	return errors.Join(err, meta.Put(moveKey, encodeEnvelope(moveKey, text)), meta.Put(versionKey, versionOf(n)))
}

// checkUsable refuses a database whose journal is elsewhere, or is not whole yet.
func checkUsable(tx *bbolt.Tx) error {
	if tx.Bucket(metaBucket) == nil { // an empty one
		return nil
	}
	n, err := noteOf(tx)
	return errors.Join(err, n.Err())
}

// versionOf is the format's version that a database is to name: one that is not to be used names one that older programs,
// which know no notes of moves, refuse.
func versionOf(n moving.Note) []byte {
	version := uint32(formatVersion)
	if n.Err() != nil {
		version = unusableVersion
	}
	return binary.BigEndian.AppendUint32(nil, version)
}

// Note implements moving.Store.
func (b *Bolt) Note() moving.Note { return b.db.meta.move }

// PutNote implements moving.Store.
func (b *Bolt) PutNote(ctx context.Context, n moving.Note) error {
	err := b.changeAlone(ctx, func(tx *bbolt.Tx) error { return putNote(tx, n) })
	if err == nil {
		b.db.meta.move = n
	}
	return err
}

// changeAlone changes the database, once it holds all that was saved, while nothing is saved.
func (b *Bolt) changeAlone(ctx context.Context, change func(*bbolt.Tx) error) error {
	if err := b.log.Checkpoint(ctx); err != nil {
		return b.writeFault(err)
	}
	log, err := b.log.Pause(ctx)
	if err != nil {
		return b.writeFault(err)
	}
	defer log.Resume()
	if err := b.db.Update(change); err != nil {
		return b.writeFault(err)
	}
	return nil
}

// IsEmpty implements moving.Store.
func (b *Bolt) IsEmpty(context.Context) (empty bool, err error) {
	if empty, err = b.Empty(); err != nil || !empty {
		return false, err
	}
	err = b.db.View(func(tx *bbolt.Tx) error {
		first, _ := tx.Bucket(historyBucket).Cursor().First()
		empty = first == nil
		return nil
	})
	if err != nil {
		return false, b.readFault(err)
	}
	return empty, nil
}

// Clear implements moving.Store, in one transaction.
func (b *Bolt) Clear(ctx context.Context, newKey []byte) error {
	b.notes.mu.Lock()
	defer b.notes.mu.Unlock()
	var notes [][]byte
	if err := b.eachNote(func(r raw) { notes = append(notes, bytes.Clone(r.key)) }); err != nil {
		return b.readFault(err)
	}
	err := b.changeAlone(ctx, func(tx *bbolt.Tx) (err error) {
		for _, name := range [][]byte{slotBucket, historyBucket} {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		for _, key := range notes {
			err = errors.Join(err, meta.Delete(key))
		}
		return errors.Join(err, meta.Put(digestKey, encodeEnvelope(digestKey, newKey)))
	})
	if err == nil {
		b.db.meta.digestKey = bytes.Clone(newKey)
		clear(b.notes.saved)
	}
	return err
}

// KeptEvents implements moving.Store.
func (*Bolt) KeptEvents() int { return keptEvents }

// Export implements moving.Store.
func (b *Bolt) Export(ctx context.Context, visit func(moving.Slot) error) error {
	return b.Load(ctx, func(r *slot.Record) error {
		events, err := b.eventsToMove(historyPrefix(r.Key))
		if err != nil {
			return err
		}
		return visit(moving.Slot{Record: r, Events: events})
	})
}

// eventsToMove reads a slot's history, the earliest first. The database holds all that was saved.
func (b *Bolt) eventsToMove(prefix []byte) (events []moving.Event, err error) {
	var damaged fault.Several
	err = b.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(historyBucket).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if len(k) < stampSize {
				continue
			}
			e := moving.Event{Rank: binary.BigEndian.Uint64(sequenceOf(k))}
			if err := (raw{k, v}).decode(&e.Event); err != nil {
				damaged.Add(err)
				continue
			}
			events = append(events, e)
		}
		return nil
	})
	if err = errors.Join(err, damaged.Err()); err != nil {
		return nil, b.readFault(err)
	}
	slices.SortFunc(events, moving.CompareRanks)
	return events, nil
}

// Import implements moving.Store. Ranks are below the numbers that this store gives events, which the first save raises.
func (b *Bolt) Import(ctx context.Context, s moving.Slot) error {
	entry, err := encodeEntry(s.Record, s.Events)
	if err != nil {
		return slot.RecordFault("encode", s.Record, err)
	}
	return b.append(ctx, s.Record, entry)
}
