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
	err := s.over.why()
	if err == nil {
		err = s.putLatest(ctx, probeKey, s.readClock)
	}
	if err == nil {
		return nil
	}
	s.observe(0, err)
	return s.faultOf(writing, err)
}

// Restore fails: what etcd has lost comes back from a snapshot of etcd's, or is copied there.
func (s *Store) Restore(context.Context, iter.Seq[*slot.Record]) error {
	return s.faultOf(writing, errNoRestore)
}

var errNoRestore = errors.New("records in etcd are not written anew from memory")
