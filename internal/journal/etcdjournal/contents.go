package etcdjournal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// contents are what etcd holds of ours, but for history, at one revision.
type contents struct {
	place *place

	records  map[moq.Key]held
	damaged  map[string]error  // of records and the term's, by the key below the prefix
	small    map[string][]byte // all else, as it is there
	term     TermRecord
	termAt   int64 // at which revision the term's record was written; 0: there is none
	clock    LeaderClock
	anchor   anchor
	revision int64 // up to which all is known
	words    words
}

// held is a record that is not changed any more: the next one takes its place.
type held struct {
	record   *slot.Record
	revision int64
}

func newContents(p *place) *contents {
	c := &contents{place: p}
	c.clear()
	return c
}

func (c *contents) clear() {
	*c = contents{place: c.place, records: map[moq.Key]held{}, damaged: map[string]error{}, small: map[string][]byte{}}
}

// checkForm refuses what is newer, sealed for others, or not to be used because of a move.
func (c *contents) checkForm(i *secret.Identity) error {
	if format, ok := c.small[formatKey]; ok {
		if err := c.place.checkFormat(format); err != nil {
			return err
		}
	}
	return cmp.Or(checkRecipient(i, c.small[recipientKey]), c.place.checkUsable(c.small[moveKey]))
}

// addPage adds what a list found.
func (c *contents) addPage(kvs []*mvccpb.KeyValue) {
	at := len(kvs) - len(recordsOf(c.place, kvs))
	for _, kv := range kvs[:at] {
		c.put(kv)
	}
	for i, d := range c.place.decodePage(kvs[at:]) {
		c.keep(kvs[at+i], &d.record, d.err) // d is a copy: the page is let go of
	}
	c.clock.Seen = time.Time{}
}

// recordsOf are the records in a page: they come last.
func recordsOf(p *place, kvs []*mvccpb.KeyValue) []*mvccpb.KeyValue {
	i := slices.IndexFunc(kvs, func(kv *mvccpb.KeyValue) bool { return isRecord(p.below(kv.Key)) })
	if i < 0 {
		return nil
	}
	return kvs[i:]
}

// applyEvent takes what has changed, unless it is known.
func (c *contents) applyEvent(e *clientv3.Event) {
	switch {
	case e.Kv.ModRevision <= c.revision:
	case e.Type == clientv3.EventTypeDelete:
		c.remove(e.Kv)
	default:
		c.put(e.Kv)
	}
}

// put takes what was written.
func (c *contents) put(kv *mvccpb.KeyValue) {
	key := c.place.below(kv.Key)
	switch {
	case isRecord(key):
		var r slot.Record
		err := c.place.decodeRecord(kv, &r)
		c.keep(kv, &r, err)
		return
	case key == termKey:
		c.putTerm(kv)
	case key == probeKey:
		c.putClock(kv)
	default:
		c.small[key] = kv.Value
	}
	c.anchor.see(kv)
}

// keep takes a record, or why it is none.
func (c *contents) keep(kv *mvccpb.KeyValue, r *slot.Record, err error) {
	key := c.place.below(kv.Key)
	c.anchor.see(kv)
	if err != nil {
		c.forget(key)
		c.damaged[key] = err
		return
	}
	delete(c.damaged, key)
	c.words.shareWords(r)
	c.records[r.Key] = held{r, kv.ModRevision}
}

func (c *contents) putTerm(kv *mvccpb.KeyValue) {
	var t TermRecord
	if err := c.place.decode(termKey, kv.Value, &t); err != nil {
		c.damaged[termKey] = fmt.Errorf("key %q: %w", kv.Key, err)
		return
	}
	delete(c.damaged, termKey)
	c.term, c.termAt = t, kv.ModRevision
}

// putClock takes what a leader's clocks tell; what nobody of ours wrote tells nothing.
func (c *contents) putClock(kv *mvccpb.KeyValue) {
	var told LeaderClock
	if c.place.decode(probeKey, kv.Value, &told) == nil && !told.Wall.IsZero() {
		told.Seen = time.Now()
		c.clock = told
	}
}

// remove takes what was deleted: nobody of ours does that.
func (c *contents) remove(kv *mvccpb.KeyValue) {
	key := c.place.below(kv.Key)
	c.forget(key)
	delete(c.damaged, key)
	delete(c.small, key)
	c.anchor.blind = kv.ModRevision
}

// forget drops the record at a key.
func (c *contents) forget(key string) {
	if k, ok := slotOf(key); ok {
		delete(c.records, k)
	}
}

// err says what is there and is not ours.
func (c *contents) err() error {
	var all fault.Several
	for _, key := range slices.Sorted(maps.Keys(c.damaged)) {
		all.Add(c.place.faultOf(reading, c.damaged[key]))
	}
	return all.Err()
}
