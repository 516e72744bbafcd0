package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

const (
	keptEvents     = 100 // of one slot
	defaultHistory = 1000
	stampSize      = 16 // time in microseconds, then a sequence number, both big-endian
)

func historyPrefix(key moq.Key) []byte { return []byte(key.String() + "/") }

// sequenceOf returns the part of an event's key that orders it among all events, whatever clocks said.
func sequenceOf(key []byte) []byte { return key[len(key)-8:] }

func compareSequences(a, b []byte) int { return bytes.Compare(sequenceOf(a), sequenceOf(b)) }

// eventKey sorts an event behind those of its slot that are earlier by the clock; sequence is that of all events.
func eventKey(e slot.Event, sequence uint64) []byte {
	key := binary.BigEndian.AppendUint64(historyPrefix(e.Key), uint64(max(0, e.At.UnixMicro())))
	return binary.BigEndian.AppendUint64(key, sequence)
}

// slotPartOf returns the prefix that an event's key has in common with all of its slot.
func slotPartOf(key []byte) []byte { return key[:max(0, len(key)-stampSize)] }

// dropOldEvents drops the events under a prefix that came first, above keptEvents.
func dropOldEvents(tx *bbolt.Tx, prefix []byte) error {
	if len(prefix) == 0 {
		return nil
	}
	var keys [][]byte
	b := tx.Bucket(historyBucket)
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if len(k) >= stampSize {
			keys = append(keys, k)
		}
	}
	if len(keys) > keptEvents {
		slices.SortFunc(keys, compareSequences)
	}
	for _, k := range keys[:max(0, len(keys)-keptEvents)] {
		if err := b.Delete(bytes.Clone(k)); err != nil {
			return err
		}
	}
	return nil
}

// History returns the newest events first, of one slot or (nil) of all; limit 0 means
// 1000. Events that are damaged are left out and named in the error: the others are good
// even then. It writes nothing: what is in the log alone is read from memory, so that it
// works on a full disk, too.
func (b *Bolt) History(ctx context.Context, key *moq.Key, limit int) ([]slot.Event, error) {
	if limit <= 0 {
		limit = defaultHistory
	}
	var prefix []byte
	if key != nil {
		prefix = historyPrefix(*key)
	}
	found := newest{limit: limit, fresh: map[string]bool{}}
	unapplied, err := b.log.Unapplied(ctx) // before the database is read: none is missed if it is checkpointed meanwhile
	if err != nil {
		return nil, b.readFault(err)
	}
	changes, err := changesOf(unapplied)
	if err != nil {
		return nil, b.readFault(err)
	}
	found.addFresh(changes, prefix)
	if err := b.db.View(func(tx *bbolt.Tx) error {
		return found.scan(ctx, tx.Bucket(historyBucket).Cursor(), prefix)
	}); err != nil {
		return nil, b.readFault(err)
	}
	return b.eventsOf(found.sorted())
}

func (b *Bolt) eventsOf(list []raw) ([]slot.Event, error) {
	events := make([]slot.Event, 0, len(list))
	var damaged fault.Several
	for _, r := range list {
		var e slot.Event
		if err := r.decode(&e); err != nil {
			slot := bytes.TrimSuffix(slotPartOf(r.key), []byte("/"))
			damaged.Add(b.readFault(fmt.Errorf("event of slot %q: %w", slot, err)))
			continue
		}
		events = append(events, e)
	}
	return events, damaged.Err()
}

// newest keeps the newest events of a scan: at most twice as many as are wanted.
type newest struct {
	limit  int
	list   []raw
	tooOld []byte          // a key as late as which none counts any more; nil is none
	fresh  map[string]bool // keys of those that were added before the scan
}

// addFresh adds the events among changes whose keys begin with prefix.
func (n *newest) addFresh(changes []change, prefix []byte) {
	for _, c := range changes {
		if bytes.Equal(c.bucket, historyBucket) && bytes.HasPrefix(c.key, prefix) {
			n.fresh[string(c.key)] = true
			n.addIfNew(c.key, c.value)
		}
	}
}

// scan goes backwards through the keys under prefix. Within a slot they are in the order of the clock, which may have been
// set: each is looked at.
func (n *newest) scan(ctx context.Context, c *bbolt.Cursor, prefix []byte) error {
	var before []byte
	for k, v := seekLast(c, prefix); bytes.HasPrefix(k, prefix) && k != nil; k, v = c.Prev() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(k) < stampSize || before != nil && bytes.Compare(k, before) >= 0 {
			return damagedf("its keys are out of order")
		}
		before = k
		if !n.fresh[string(k)] {
			n.addIfNew(k, v)
		}
	}
	return nil
}

// seekLast moves c to the last key under prefix, or to one before all of them.
func seekLast(c *bbolt.Cursor, prefix []byte) (k, v []byte) {
	if len(prefix) == 0 {
		return c.Last()
	}
	end := slices.Concat(prefix, bytes.Repeat([]byte{0xff}, stampSize+1))
	if k, _ = c.Seek(end); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// addIfNew adds an event that is new enough.
func (n *newest) addIfNew(k, v []byte) {
	if n.tooOld != nil && compareSequences(k, n.tooOld) <= 0 {
		return
	}
	n.list = append(n.list, raw{bytes.Clone(k), bytes.Clone(v)})
	if len(n.list) >= 2*n.limit {
		n.tooOld = n.sorted()[n.limit-1].key
	}
}

// sorted drops all but the newest, and returns these, the newest first.
func (n *newest) sorted() []raw {
	slices.SortFunc(n.list, func(a, b raw) int { return compareSequences(b.key, a.key) })
	n.list = n.list[:min(n.limit, len(n.list))]
	return n.list
}
