package leadership

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// ErrOver says that a term is over: another replica leads, or may lead.
var ErrOver = errors.New("this replica leads no more")

// proofHolds is for how long etcd's word that a term goes on is good for a call that changes something.
const proofHolds = time.Second

// Term is the time for which a replica was elected. It is safe for concurrent use.
type Term struct {
	client   *clientv3.Client
	lease    *lease
	prefix   string // of the election's keys
	session  *concurrency.Session
	election *concurrency.Election
	stop     context.CancelFunc // of what keeps the lease
	key      string             // of the election, and the revision that made it; set once elected
	revision int64

	provedAt atomic.Int64 // elapsed time of the last question that was answered well; 0 is none
	over     chan struct{}
	ended    sync.Once
	why      error // set before over is closed
}

// Fence is the election's key, and the revision that made it. A transaction that compares them writes in this term
// or not at all.
func (t *Term) Fence() (key string, revision int64) { return t.key, t.revision }

// Over is closed when the term is over; Err then says why.
func (t *Term) Over() <-chan struct{} { return t.over }

// Err returns nil while the term goes on, and ErrOver with its reason afterwards.
func (t *Term) Err() error {
	select {
	case <-t.over:
		return t.why
	default:
		return nil
	}
}

// End ends the term because of what a fenced transaction was told, say. The first reason counts.
func (t *Term) End(why error) {
	t.ended.Do(func() {
		t.why = fmt.Errorf("%w: %w", ErrOver, why)
		close(t.over)
		t.stop()
	})
}

// MayAct returns nil as long as no other replica can have been elected. It asks nobody, and is to be read right before
// each request that changes something leaves.
func (t *Term) MayAct() error {
	switch {
	case t.Err() != nil:
		return t.Err()
	case !t.lease.isConfirmed():
		return t.lease.explain(errUnconfirmed)
	}
	return nil
}

var errUnconfirmed = errors.New("etcd has not confirmed the leader's lease in time: another replica may lead")

// Prove returns nil if etcd said, within the last second, that the term goes on; it asks where that is longer ago.
func (t *Term) Prove(ctx context.Context) error {
	if t.MayAct() == nil && t.lease.elapsed() < time.Duration(t.provedAt.Load())+proofHolds && t.provedAt.Load() > 0 {
		return nil
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	asked := t.lease.elapsed()
	key, revision := t.Fence()
	held, err := t.client.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(held.Kvs) != 1 || held.Kvs[0].CreateRevision != revision {
		t.End(errors.New("the election's key is gone"))
		return t.Err()
	}
	t.provedAt.Store(int64(asked))
	return t.MayAct()
}

// Resign has the next replica be elected at once. Nothing of this term may be under way. Where etcd does not answer
// before ctx ends, the lease has to end by itself.
func (t *Term) Resign(ctx context.Context) error {
	t.End(errors.New("it resigned"))
	return t.giveLeaseBack(ctx)
}

// patience is for how long etcd is asked to take a lease back that would end by itself.
const patience = time.Second

// giveLeaseBack takes the election's key with it.
func (t *Term) giveLeaseBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t.session.Orphan()
	if _, err := t.client.Revoke(ctx, t.lease.id); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return err
	}
	return nil
}
