package etcdjournal

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

const (
	keptEvents     = 5         // of one slot: each of its events rewrites them all
	maxHistory     = 128 << 10 // bytes that a slot's events may take
	defaultHistory = 1000
)

// entry is an event in a slot's history, with the order in which it was saved, whatever clocks said.
type entry struct {
	Term     int64      `json:"term"`
	Sequence uint64     `json:"sequence"`
	Event    slot.Event `json:"event"`
}

// extendHistory returns the value of a slot's history with more events, as they are saved. One that cannot be read
// begins anew: no save waits for it.
func (s *Store) extendHistory(ctx context.Context, of moq.Key, sequence uint64, events []slot.Event) (string, error) {
	key := historyKey(of)
	answer, err := s.client.Get(ctx, s.full(key))
	if err != nil {
		return "", err
	}
	var list []entry
	for _, kv := range answer.Kvs {
		if s.decode(key, kv.Value, &list) != nil {
			list = nil
		}
	}
	for _, e := range events {
		list = append(list, entry{s.term.Revision, sequence, e})
	}
	text, err := encodeLast(list)
	return s.signer.seal(key, sequence, text), err
}

// encodeLast encodes as many of the last events as are kept and fit.
func encodeLast(list []entry) ([]byte, error) {
	list = list[max(0, len(list)-keptEvents):]
	for {
		text, err := json.Marshal(list)
		if err != nil || len(text) <= maxHistory || len(list) == 0 {
			return text, err
		}
		list = list[1:]
	}
}

// History returns the newest events first, of one slot or (nil) of all; limit 0 means 1000. Of each slot the last few
// are kept. Events that are damaged are left out and named in the error: the others are good even then.
func (s *Store) History(ctx context.Context, key *moq.Key, limit int) ([]slot.Event, error) {
	found := newest{store: s, limit: cmp.Or(max(limit, 0), defaultHistory)}
	if err := found.read(ctx, key); err != nil {
		return nil, s.faultOf(reading, err)
	}
	events := []slot.Event{}
	for _, e := range found.sorted() {
		events = append(events, e.Event)
	}
	return events, found.damaged.Err()
}

// newest keeps the newest events of a reading: at most twice as many as are wanted, and a page.
type newest struct {
	store   *Store
	limit   int
	list    []ranked
	damaged fault.Several
}

// ranked is an entry with its place among those that were saved together.
type ranked struct {
	entry
	place int
}

func (n *newest) read(ctx context.Context, key *moq.Key) error {
	if key == nil {
		_, err := n.store.list(ctx, folder(historyFolder), n.add, func() { n.list, n.damaged = nil, fault.Several{} })
		return err
	}
	answer, err := n.store.get(ctx, n.store.full(historyKey(*key)))
	if err == nil {
		n.add(answer.Kvs)
	}
	return err
}

func (n *newest) add(kvs []*mvccpb.KeyValue) {
	for _, kv := range kvs {
		list, err := n.store.decodeHistory(kv)
		if err != nil {
			n.damaged.Add(n.store.faultOf(reading, err))
		}
		n.list = append(n.list, list...)
	}
	if len(n.list) > 2*n.limit {
		n.sorted()
	}
}

func (s *Store) decodeHistory(kv *mvccpb.KeyValue) (found []ranked, err error) {
	var list []entry
	if err := s.decode(s.below(kv.Key), kv.Value, &list); err != nil {
		return nil, fmt.Errorf("key %q: %w", kv.Key, err)
	}
	for i, e := range list {
		found = append(found, ranked{e, i})
	}
	return found, nil
}

// compareEntries orders entries as they were saved.
func compareEntries(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.place, b.place))
}

// sorted drops all but the newest, and returns these, the newest first.
func (n *newest) sorted() []ranked {
	slices.SortFunc(n.list, func(a, b ranked) int { return compareEntries(b, a) })
	n.list = n.list[:min(n.limit, len(n.list))]
	return n.list
}
