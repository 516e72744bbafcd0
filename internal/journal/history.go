package journal

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

const (
	keptEvents     = 100 // of one slot
	defaultHistory = 1000
	stampSize      = 16 // time in microseconds, then a sequence number, both big-endian
)

func historyPrefix(key moq.Key) []byte { return []byte(key.String() + "/") }

// stamp is the part of an event's key that orders it among all events.
func stamp(key []byte) []byte { return key[len(key)-stampSize:] }

// eventKey sorts an event behind the earlier ones of its slot; sequence tells
// those of one moment apart.
func eventKey(e slot.Event, sequence uint64) []byte {
	key := binary.BigEndian.AppendUint64(historyPrefix(e.Key), uint64(max(0, e.At.UnixMicro())))
	return binary.BigEndian.AppendUint64(key, sequence)
}

// slotPart is the prefix that an event's key has in common with all of its slot.
func slotPart(key []byte) []byte { return key[:max(0, len(key)-stampSize)] }

// trim drops the oldest events under a prefix above keptEvents.
func trim(tx *bbolt.Tx, prefix []byte) error {
	if len(prefix) == 0 {
		return nil
	}
	var keys [][]byte
	b := tx.Bucket(historyBucket)
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys[:max(0, len(keys)-keptEvents)] {
		if err := b.Delete(bytes.Clone(k)); err != nil {
			return err
		}
	}
	return nil
}

// History gives the newest events first, of one slot or (nil) of all; limit 0 means
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
	changes, err := b.unfolded(ctx) // before the database is read: none is missed if it is folded meanwhile
	if err != nil {
		return nil, b.readFault(err)
	}
	found.addFresh(changes, prefix)
	if err := b.view(func(tx *bbolt.Tx) error {
		return found.scan(ctx, tx.Bucket(historyBucket).Cursor(), prefix)
	}); err != nil {
		return nil, err
	}
	return b.eventsOf(found.sorted())
}

func (b *Bolt) eventsOf(list []raw) ([]slot.Event, error) {
	events := make([]slot.Event, 0, len(list))
	var damaged damages
	for _, r := range list {
		var e slot.Event
		if err := decodeWith(eventCodec, r, &e); err != nil {
			slot := bytes.TrimSuffix(slotPart(r.key), []byte("/"))
			damaged.add(b.readFault(fmt.Errorf("event of slot %q: %w", slot, err)))
			continue
		}
		events = append(events, e)
	}
	return events, damaged.err()
}

// newest keeps the newest events of a scan, the oldest of them on top.
type newest struct {
	limit int
	list  []raw
	fresh map[string]bool // keys of those that were added before the scan
}

// addFresh adds the events among changes whose keys begin with prefix.
func (n *newest) addFresh(changes []change, prefix []byte) {
	for _, c := range changes {
		if bytes.Equal(c.bucket, historyBucket) && bytes.HasPrefix(c.key, prefix) {
			n.fresh[string(c.key)] = true
			n.add(c.key, c.value)
		}
	}
}

// scan goes backwards through the keys under prefix. Within a slot they are in order of
// time, so the first that is too old ends the slot.
func (n *newest) scan(ctx context.Context, c *bbolt.Cursor, prefix []byte) error {
	var before []byte
	for k, v := last(c, prefix); bytes.HasPrefix(k, prefix) && k != nil; k, v = c.Prev() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(k) < stampSize || before != nil && bytes.Compare(k, before) >= 0 {
			return damagedf("its keys are out of order")
		}
		before = k
		if !n.fresh[string(k)] && !n.add(k, v) {
			c.Seek(k[:len(k)-stampSize]) // to the slot's first event
		}
	}
	return nil
}

// last moves c to the last key under prefix, or to one before all of them.
func last(c *bbolt.Cursor, prefix []byte) (k, v []byte) {
	if len(prefix) == 0 {
		return c.Last()
	}
	end := slices.Concat(prefix, bytes.Repeat([]byte{0xff}, stampSize+1))
	if k, _ = c.Seek(end); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// add reports whether the event was new enough.
func (n *newest) add(k, v []byte) bool {
	if len(n.list) == n.limit {
		if bytes.Compare(stamp(k), stamp(n.list[0].key)) <= 0 {
			return false
		}
		heap.Pop(n)
	}
	heap.Push(n, raw{bytes.Clone(k), bytes.Clone(v)})
	return true
}

func (n *newest) sorted() []raw {
	slices.SortFunc(n.list, func(a, b raw) int { return bytes.Compare(stamp(b.key), stamp(a.key)) })
	return n.list
}

// Len implements heap.Interface.
func (n *newest) Len() int { return len(n.list) }

// Less implements heap.Interface.
func (n *newest) Less(i, j int) bool {
	return bytes.Compare(stamp(n.list[i].key), stamp(n.list[j].key)) < 0
}

// Swap implements heap.Interface.
func (n *newest) Swap(i, j int) { n.list[i], n.list[j] = n.list[j], n.list[i] }

// Push implements heap.Interface.
func (n *newest) Push(x any) { n.list = append(n.list, x.(raw)) }

// Pop implements heap.Interface.
func (n *newest) Pop() any {
	x := n.list[len(n.list)-1]
	n.list = n.list[:len(n.list)-1]
	return x
}
