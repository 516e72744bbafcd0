package etcdjournal

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

var _ moving.Store = (*Store)(nil)

// MoveArgument is what names etcd in `rotatord state copy`.
const MoveArgument = "etcd"

// noteIn returns what etcd says of the latest move; value is nil where it says nothing.
func (p *place) noteIn(value []byte) (n moving.Note, err error) {
	if value == nil {
		return moving.Note{}, nil
	}
	if err := p.decode(moveKey, value, &n); err != nil {
		return n, fmt.Errorf("key %q: %w", p.full(moveKey), err)
	}
	return n, nil
}

// checkUsable refuses etcd where the journal is elsewhere, or is not whole yet.
func (p *place) checkUsable(note []byte) error {
	n, err := p.noteIn(note)
	return cmp.Or(err, n.Err())
}

// Note implements moving.Store.
func (s *Store) Note() moving.Note { return s.note }

// PutNote implements moving.Store.
func (s *Store) PutNote(ctx context.Context, n moving.Note) error {
	err := s.putLatest(ctx, moveKey, func() ([]byte, error) { return json.Marshal(n) })
	if err != nil {
		return s.faultOf(writing, err)
	}
	s.note = n
	return nil
}

// IsEmpty implements moving.Store.
func (s *Store) IsEmpty(ctx context.Context) (bool, error) {
	for _, of := range []span{folder(slotFolder), folder(historyFolder)} {
		answer, err := s.get(ctx, s.full(of.from), clientv3.WithRange(s.full(of.end)), clientv3.WithLimit(1), clientv3.WithKeysOnly())
		if err != nil {
			return false, s.faultOf(reading, err)
		}
		if len(answer.Kvs) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// Clear implements moving.Store, in many transactions.
func (s *Store) Clear(ctx context.Context, newKey []byte) error {
	for _, of := range []span{folder(slotFolder), folder(historyFolder), folder(accountFolder)} {
		if err := s.deleteAll(ctx, of); err != nil {
			return s.faultOf(writing, err)
		}
		s.latest.dropSpan(of)
	}
	if err := s.putLatest(ctx, digestKey, func() ([]byte, error) { return newKey, nil }); err != nil {
		return s.faultOf(writing, err)
	}
	s.digestKey, s.revisions = slices.Clone(newKey), newRevisions()
	return nil
}

// deleteAll deletes what lies in a span, a page at a time: etcd does nothing else during one.
func (s *Store) deleteAll(ctx context.Context, of span) error {
	for {
		answer, err := s.get(ctx, s.full(of.from), clientv3.WithRange(s.full(of.end)), clientv3.WithKeysOnly(),
			clientv3.WithLimit(cmp.Or(s.limits.page, pageSize)))
		if err != nil || len(answer.Kvs) == 0 {
			return err
		}
		first, last := string(answer.Kvs[0].Key), string(answer.Kvs[len(answer.Kvs)-1].Key)
		page := clientv3.OpDelete(first, clientv3.WithRange(last+"\x00"))
		if err := s.patiently(ctx, func(ctx context.Context) error { return s.commitFenced(ctx, page) }); err != nil {
			return err
		}
	}
}

// KeptEvents implements moving.Store.
func (*Store) KeptEvents() int { return keptEvents }

// Export implements moving.Store.
func (s *Store) Export(ctx context.Context, visit func(moving.Slot) error) error {
	histories, err := s.rankedHistories(ctx)
	if err != nil {
		return err
	}
	return s.Load(ctx, func(r *slot.Record) error { return visit(moving.Slot{Record: r, Events: histories[r.Key]}) })
}

// rankedHistories reads the events of all slots, in their order, each with its rank.
func (s *Store) rankedHistories(ctx context.Context) (map[moq.Key][]moving.Event, error) {
	var all []ranked
	var damaged fault.Several
	_, err := s.list(ctx, folder(historyFolder), func(kvs []*mvccpb.KeyValue) {
		for _, kv := range kvs {
			list, err := s.decodeHistory(kv)
			if err != nil {
				damaged.Add(s.faultOf(reading, err))
			}
			all = append(all, list...)
		}
	}, func() { all, damaged = nil, fault.Several{} })
	if err != nil {
		return nil, s.faultOf(reading, err)
	}
	slices.SortFunc(all, compareEntries)
	histories := map[moq.Key][]moving.Event{}
	for i, e := range all {
		histories[e.Event.Key] = append(histories[e.Event.Key], moving.Event{Rank: uint64(i) + 1, Event: e.Event})
	}
	return histories, damaged.Err()
}

// Import implements moving.Store. What was imported comes before the events of all terms.
func (s *Store) Import(ctx context.Context, of moving.Slot) error {
	if len(of.Events) == 0 {
		return s.save(ctx, of.Record, nil)
	}
	list := make([]entry, len(of.Events))
	for i, e := range of.Events {
		list[i] = entry{0, e.Rank, e.Event}
	}
	return s.save(ctx, of.Record, func(_ context.Context, sequence uint64) (string, error) {
		text, err := encodeLast(list)
		return s.signer.seal(historyKey(of.Record.Key), sequence, text), err
	})
}
