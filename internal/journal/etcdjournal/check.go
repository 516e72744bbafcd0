package etcdjournal

import (
	"context"
	"errors"
	"iter"

	"github.com/rotatord/rotatord/internal/slot"
)

// Check writes a small probe as a save would be written, which tells what this leader's clocks say. What is written stays
// in etcd until it compacts.
func (s *Store) Check(ctx context.Context) error {
	if err := s.over.why(); err != nil {
		return s.faultOf(writing, err)
	}
	if err := s.putLatest(ctx, probeKey, s.readClock); err != nil {
		return s.faultOf(writing, err)
	}
	return nil
}

// Restore fails: what etcd has lost comes back from a snapshot of etcd's, or is copied there.
func (s *Store) Restore(context.Context, iter.Seq[*slot.Record]) error {
	return s.faultOf(writing, errNoRestore)
}

var errNoRestore = errors.New("records in etcd are not written anew from memory")
