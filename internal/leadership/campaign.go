// Package leadership has one of several replicas act, by etcd's own leases and elections.
//
// A Candidate campaigns with a lease of its own. Who is elected has a Term, and with it two
// things that hold back a leader who does not know yet that it was replaced: the fence, which
// every save compares (package etcdjournal), so that etcd takes nothing of a former leader; and
// MayAct, read where a request leaves, so that nothing of it reaches Cloudflare or a sink. MayAct goes by a
// lease that etcd has confirmed, counted from before the question was asked and in the time since
// boot, which neither a wrong clock nor a standstill of the process moves.
//
// Being elected proves nothing: the lease may have ended before the answer came. A replica leads from its first
// fenced transaction on.
package leadership

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// Candidate is a replica that may lead. Its fields are not changed while it campaigns.
type Candidate struct {
	Client  *clientv3.Client
	Prefix  string               // of the election's keys, without a slash at the end
	Length  time.Duration        // of the lease, in whole seconds
	Card    Card                 // what the others are told of this replica
	Elapsed func() time.Duration // since boot, suspension included
	Granted func()               // if set, is called once etcd has granted the lease: it lets a replica stand for election
}

// Campaign returns when this replica was elected, or when ctx ends, or with etcd's error; to campaign again is the
// caller's to do. What etcd leaves without an answer ends with the client.
func (c Candidate) Campaign(ctx context.Context) (*Term, error) {
	l, err := grantLease(ctx, c.Client, c.Length, c.Elapsed)
	if err != nil {
		return nil, err
	}
	if c.Granted != nil {
		c.Granted()
	}
	session, err := concurrency.NewSession(c.Client, concurrency.WithLease(l.id))
	if err != nil {
		return nil, err
	}
	t := &Term{
		client: c.Client, lease: l, session: session, prefix: c.Prefix + "/",
		election: concurrency.NewElection(session, c.Prefix), over: make(chan struct{}),
	}
	t.keepLease()
	if err := t.awaitElection(ctx, c.Card.text()); err != nil {
		t.End(err)
		_ = t.giveLeaseBack(context.WithoutCancel(ctx)) // else it ends by itself
		return nil, err
	}
	return t, nil
}

// keepLease has the term end with its lease.
func (t *Term) keepLease() {
	ctx, stop := context.WithCancel(t.client.Ctx())
	t.stop = stop
	go func() { t.End(fmt.Errorf("its lease has ended: %w", t.lease.keep(ctx))) }()
	context.AfterFunc(t.session.Ctx(), func() { t.End(t.lease.explain(errors.New("its session has ended"))) })
}

// awaitElection returns nil when etcd has elected this replica, and said so after the lease was confirmed.
func (t *Term) awaitElection(ctx context.Context, card string) error {
	ctx, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer stop()
	elected := make(chan error, 1)
	go func() { elected <- t.election.Campaign(ctx, card) }() // it cleans up without a deadline when ctx ends
	select {
	case err := <-elected:
		if err != nil {
			return err
		}
	case err := <-t.watchCandidacy(ctx):
		return err
	case <-t.over: // it would wait on, without a key
		return t.why
	case <-ctx.Done():
		return ctx.Err()
	}
	t.key, t.revision = t.election.Key(), t.election.Rev()
	return t.Prove(ctx)
}

// errPassedOver ends a candidacy that would last for ever. A candidate waits for an event of etcd's, from a revision on;
// an etcd that was restored from a snapshot has gone back behind that, and never tells it.
var errPassedOver = fmt.Errorf("%w: etcd does not say that it is elected, though nobody is before it: "+
	"etcd was restored from a snapshot, most likely", ErrOver)

// watchCandidacy tells once two looks in a row, a lease apart, have found that this candidate waits for nobody.
func (t *Term) watchCandidacy(ctx context.Context) <-chan error {
	passedOver := make(chan error, 1)
	go func() {
		looks := time.NewTicker(t.lease.length)
		defer looks.Stop()
		for inVain := 0; inVain < 2; {
			select {
			case <-looks.C:
			case <-ctx.Done():
				return
			}
			switch waits, err := t.waitsForAnother(ctx); {
			case err != nil: // etcd is away
			case waits:
				inVain = 0
			default:
				inVain++
			}
		}
		passedOver <- errPassedOver
	}()
	return passedOver
}

// waitsForAnother reports whether this candidate's key is there, and an older one.
func (t *Term) waitsForAnother(ctx context.Context) (bool, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	mine := fmt.Sprintf("%s%x", t.prefix, t.lease.id)
	found, err := t.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(mine), ">", 0)).
		Then(clientv3.OpGet(t.prefix, append(clientv3.WithFirstCreate(), clientv3.WithKeysOnly())...)).Commit()
	if err != nil || !found.Succeeded {
		return false, err
	}
	first := found.Responses[0].GetResponseRange().Kvs
	return len(first) > 0 && string(first[0].Key) != mine, nil
}
