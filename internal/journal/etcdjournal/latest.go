package etcdjournal

import (
	"context"
	"fmt"
	"maps"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// latest keeps the revisions of what nobody but the leader writes, and what counts as it was written last: notes, and
// what is told of the term. One is written at a time.
type latest struct {
	turn      chan struct{} // held while one is written
	revisions map[string]int64
}

func newLatest() latest { return latest{make(chan struct{}, 1), map[string]int64{}} }

// note notes what was read before anything was written.
func (l latest) note(key string, revision int64) { l.revisions[key] = revision }

// putLatest has a key hold the content that tell returns, which is asked anew for each try. One whose answer was lost
// never undoes a later one: each compares the revision.
func (s *Store) putLatest(ctx context.Context, key string, tell func() ([]byte, error)) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	select {
	case s.latest.turn <- struct{}{}:
		defer func() { <-s.latest.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.repeat(ctx, func(ctx context.Context) error {
		content, err := tell()
		if err != nil {
			return err
		}
		return s.replaceLatest(ctx, key, s.signer.seal(key, s.sequence.Add(1), content))
	})
}

// makeAnew has a key that holds something damaged hold content, and tells of it.
func (s *Store) makeAnew(ctx context.Context, key string, content []byte, damaged error) error {
	if s.options.Warn != nil {
		s.options.Warn(s.faultOf(reading, fmt.Errorf("it is made anew: %w", damaged)))
	}
	return s.putLatest(ctx, key, func() ([]byte, error) { return content, nil })
}

// replaceLatest finds what is there to be an earlier one, of this store whose answer was lost or of another: then the fence
// is intact, and it is replaced. One that is earlier than what was seen there has come back from a snapshot.
func (s *Store) replaceLatest(ctx context.Context, key, value string) error {
	for {
		at, there, err := s.replace(ctx, key, s.latest.revisions[key], clientv3.OpPut(s.full(key), value))
		if err != nil {
			return err
		}
		if at > 0 {
			s.latest.revisions[key] = at
			return nil
		}
		if revisionOf(there) < s.latest.revisions[key] {
			return s.over.set(fmt.Errorf("%w: key %q is an earlier one", ErrRestored, s.full(key)))
		}
		s.latest.revisions[key] = revisionOf(there)
	}
}

// dropSpan forgets what was deleted in a span.
func (l latest) dropSpan(of span) {
	maps.DeleteFunc(l.revisions, func(key string, _ int64) bool { return of.from <= key && key < of.end })
}

func revisionOf(found []*mvccpb.KeyValue) int64 {
	if len(found) == 0 {
		return 0
	}
	return found[0].ModRevision
}

// replace makes puts if a key still is at a revision (0: it is not there), and returns the new one. Else it returns what
// is there, and 0. That the term is over ends the store.
func (s *Store) replace(ctx context.Context, key string, revision int64, puts ...clientv3.Op) (at int64, there []*mvccpb.KeyValue, err error) {
	key = s.full(key)
	reads := []clientv3.Op{clientv3.OpGet(key)}
	if s.term != (Term{}) {
		reads = append(reads, s.readFence())
	}
	answer, err := s.client.Txn(ctx).
		If(append(s.fence(), clientv3.Compare(clientv3.ModRevision(key), "=", revision))...).
		Then(puts...).Else(reads...).Commit()
	switch {
	case err != nil:
		return 0, nil, err
	case answer.Succeeded:
		return answer.Header.Revision, nil, nil
	case s.term != (Term{}) && !s.isFenceIn(answer.Responses[1].GetResponseRange().Kvs):
		return 0, nil, s.over.set(ErrNotLeader)
	}
	return 0, answer.Responses[0].GetResponseRange().Kvs, nil
}

func (s *Store) isFenceIn(found []*mvccpb.KeyValue) bool {
	return len(found) == 1 && found[0].CreateRevision == s.term.Revision
}
