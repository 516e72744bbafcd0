package etcdjournal

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// contents are what etcd holds of ours, but for history, at one revision.
type contents struct {
	place   *place
	elapsed func() time.Duration // since boot, suspension included

	records  map[moq.Key]held
	damaged  map[string]error  // what must not be led without, or written over, by the key below the prefix
	ignored  map[string]error  // what is damaged, and is made anew by who leads next
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

// revisions yields at which revision each record was written.
func (c *contents) revisions(yield func(moq.Key, int64) bool) {
	for key, h := range c.records {
		if !yield(key, h.revision) {
			return
		}
	}
}

func newContents(p *place, elapsed func() time.Duration) *contents {
	c := &contents{place: p, elapsed: elapsed}
	c.clear()
	return c
}

func (c *contents) clear() {
	*c = contents{
		place: c.place, elapsed: c.elapsed, records: map[moq.Key]held{},
		damaged: map[string]error{}, ignored: map[string]error{}, small: map[string][]byte{},
	}
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
	c.clock.Heard = 0
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
		c.noteWrong(kv, c.putTerm(kv))
	case key == probeKey:
		c.noteWrong(kv, c.putClock(kv))
	default:
		c.small[key] = kv.Value
		c.noteWrong(kv, c.checkSigned(key, kv.Value))
	}
	c.anchor.see(kv)
}

// noteWrong notes what is wrong with a value; nil: nothing. Damage to all but the records and the key of the digests holds
// nobody up, as who leads next writes it anew; what a newer rotatord wrote is left to that.
func (c *contents) noteWrong(kv *mvccpb.KeyValue, err error) {
	key := c.place.below(kv.Key)
	delete(c.damaged, key)
	delete(c.ignored, key)
	if err == nil {
		return
	}
	err = fmt.Errorf("key %q: %w", kv.Key, err)
	if isRecord(key) || key == digestKey || errors.Is(err, durable.ErrNewer) {
		c.damaged[key] = err
	} else {
		c.ignored[key] = err
	}
}

// checkSigned returns what is wrong with a value that is kept as it is, if those of its kind are signed.
func (c *contents) checkSigned(key string, value []byte) error {
	if !isSigned(key) {
		return nil
	}
	_, _, err := c.place.signer.open(key, value)
	return err
}

// keep takes a record, or why it is none.
func (c *contents) keep(kv *mvccpb.KeyValue, r *slot.Record, err error) {
	key := c.place.below(kv.Key)
	c.anchor.see(kv)
	c.noteWrong(kv, err)
	if err != nil {
		c.forget(key)
		return
	}
	c.words.shareWords(r)
	c.records[r.Key] = held{r, kv.ModRevision}
}

func (c *contents) putTerm(kv *mvccpb.KeyValue) error {
	var t TermRecord
	if err := c.place.decode(termKey, kv.Value, &t); err != nil {
		return err
	}
	c.term, c.termAt = t, kv.ModRevision
	return nil
}

// putClock takes what a leader's clocks tell.
func (c *contents) putClock(kv *mvccpb.KeyValue) error {
	var told LeaderClock
	if err := c.place.decode(probeKey, kv.Value, &told); err != nil {
		return err
	}
	if !told.Wall.IsZero() {
		told.Heard = c.elapsed()
		c.clock = told
	}
	return nil
}

// remove takes what was deleted: nobody of ours does that.
func (c *contents) remove(kv *mvccpb.KeyValue) {
	key := c.place.below(kv.Key)
	c.forget(key)
	delete(c.damaged, key)
	delete(c.ignored, key)
	delete(c.small, key)
	c.anchor.blind = kv.ModRevision
}

// forget drops the record at a key.
func (c *contents) forget(key string) {
	if k, ok := slotOf(key); ok {
		delete(c.records, k)
	}
}

// err says what is there and cannot be done without.
func (c *contents) err() error { return c.errOf(c.damaged) }

func (c *contents) errOf(wrong map[string]error) error {
	var all fault.Several
	for _, key := range slices.Sorted(maps.Keys(wrong)) {
		all.Add(c.place.faultOf(reading, wrong[key]))
	}
	return all.Err()
}
