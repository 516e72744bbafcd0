package etcdjournal

import (
	"context"
	"iter"
	"sync"

	"github.com/rotatord/rotatord/internal/moq"
)

// known is what this store knows of a slot's record.
type known struct {
	revision int64  // at which etcd has it; 0: there is none
	sequence uint64 // of this store's latest save that was acknowledged; 0: none
}

// revisions keeps what is known of each slot's record. One save of a slot is under way at a time, because the next needs
// the revision that it leaves; no lock is held meanwhile, and others wait no longer than their contexts.
type revisions struct {
	mu    sync.Mutex
	known map[moq.Key]known
	saves map[moq.Key]chan struct{} // of slots whose save is under way: closed when it ends
}

func newRevisions() *revisions {
	return &revisions{known: map[moq.Key]known{}, saves: map[moq.Key]chan struct{}{}}
}

// begin waits until no other save of a slot is under way. end ends this one, with what is known by then.
func (r *revisions) begin(ctx context.Context, key moq.Key) (k known, end func(known), err error) {
	for {
		k, busy := r.tryBegin(key)
		if busy == nil {
			return k, func(k known) { r.end(key, k) }, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return known{}, nil, ctx.Err()
		}
	}
}

func (r *revisions) tryBegin(key moq.Key) (k known, busy <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if busy, ok := r.saves[key]; ok {
		return known{}, busy
	}
	r.saves[key] = make(chan struct{})
	return r.known[key], nil
}

func (r *revisions) end(key moq.Key, k known) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[key] = k
	close(r.saves[key])
	delete(r.saves, key)
}

// learnAll notes the revisions of so many slots, as they were before the term, in the background. Until they are known,
// saves wait.
func (r *revisions) learnAll(slots int, all iter.Seq2[moq.Key, int64]) {
	r.mu.Lock()
	go func() {
		defer r.mu.Unlock()
		r.known = make(map[moq.Key]known, slots)
		for key, revision := range all {
			r.known[key] = known{revision: revision}
		}
	}()
}

// learn notes a revision that was read, unless a newer one is known.
func (r *revisions) learn(key moq.Key, revision int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.known[key]
	if _, saves := r.saves[key]; !saves && k.revision < revision {
		r.known[key] = known{revision: revision, sequence: k.sequence}
	}
}
