package etcdjournal

import (
	"context"
	"errors"
	"iter"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/slot"
)

// Check writes a small probe as a save would be written. What is written stays in etcd until it compacts.
func (s *Store) Check(ctx context.Context) error {
	if err := s.over.why(); err != nil {
		return s.faultOf(writing, err)
	}
	probe := clientv3.OpPut(s.full(probeKey), "")
	if err := s.patiently(ctx, func(ctx context.Context) error { return s.commitFenced(ctx, probe) }); err != nil {
		return s.faultOf(writing, err)
	}
	return nil
}

// commitFenced does what nothing but the term's end forbids.
func (s *Store) commitFenced(ctx context.Context, ops ...clientv3.Op) error {
	answer, err := s.client.Txn(ctx).If(s.fence()...).Then(ops...).Commit()
	if err == nil && !answer.Succeeded {
		err = s.over.set(ErrNotLeader)
	}
	return err
}

// Restore fails: what etcd has lost comes back from a snapshot of etcd's, or is copied there.
func (s *Store) Restore(context.Context, iter.Seq[*slot.Record]) error {
	return s.faultOf(writing, errNoRestore)
}

var errNoRestore = errors.New("records in etcd are not written anew from memory")
