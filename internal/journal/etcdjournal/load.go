package etcdjournal

import (
	"cmp"
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// Load calls visit for every record, as all were at one revision; none before all were read. visit may save. Damaged
// records are left out and named in the error once the others have been visited; an error of visit's ends it at once.
func (s *Store) Load(ctx context.Context, visit func(*slot.Record) error) error {
	if all := s.loaded.Swap(nil); all != nil {
		return s.loadFrom(ctx, all, visit)
	}
	var pages [][]decoded
	revision, err := s.list(ctx, folder(slotFolder), func(kvs []*mvccpb.KeyValue) { pages = append(pages, s.decodePage(kvs)) },
		func() { pages = nil })
	if err != nil {
		return s.faultOf(reading, err)
	}
	var damaged fault.Several
	for _, page := range pages {
		for i := range page {
			d := &page[i]
			if d.err != nil {
				damaged.Add(s.faultOf(reading, fmt.Errorf("key %q: %w", d.key, d.err)))
				continue
			}
			s.revisions.learn(d.record.Key, d.revision)
			if err := visit(&d.record); err != nil {
				return err
			}
		}
	}
	s.revision.Store(revision)
	return damaged.Err()
}

// loadFrom visits what the copy held when the term began.
func (s *Store) loadFrom(ctx context.Context, all *contents, visit func(*slot.Record) error) error {
	if err := cmp.Or(s.hasEnded(), ctx.Err()); err != nil {
		return s.faultOf(reading, err)
	}
	s.revisions.learnAll(len(all.records), all.revisions)
	for _, h := range all.records {
		if err := visit(h.record); err != nil {
			return err
		}
	}
	s.revision.Store(all.termAt)
	return all.err()
}
