package leadership

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// longestMargin is how long before its end nobody acts by a lease any more, at most: a call takes time from the last look
// at the lease to the other side.
const longestMargin = 2 * time.Second

func marginOf(granted time.Duration) time.Duration { return min(longestMargin, granted/3) }

// A lease is renewed so many times within its length; a try that failed is repeated sooner.
const (
	renewals = 5
	retries  = 20
)

// lease is a lease of etcd's. It is confirmed as long as etcd has surely not let it end: by the time that was granted, counted
// from before the request was sent, in elapsed time. An answer that waited in a buffer while this process
// stood still therefore confirms nothing.
type lease struct {
	client  *clientv3.Client
	id      clientv3.LeaseID
	length  time.Duration        // as granted
	elapsed func() time.Duration // since boot, suspension included

	confirmedUntil atomic.Int64          // elapsed time in nanoseconds
	failure        atomic.Pointer[error] // of the last try to renew it
	renewing       *renewing             // nil while there is none; of keep alone
}

// answerTime is how long etcd may take to answer. Its client has no deadline of its own: it waits for a connection for ever.
const answerTime = 5 * time.Second

// bound is for one call, to a member that has a leader: one that has none says so at once.
func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(clientv3.WithRequireLeader(ctx), answerTime)
}

// grantLease fails with etcd's error, or when ctx ends.
func grantLease(ctx context.Context, client *clientv3.Client, length time.Duration, elapsed func() time.Duration) (*lease, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	asked := elapsed()
	granted, err := client.Grant(ctx, int64(max(length, time.Second)/time.Second))
	if err != nil {
		return nil, err
	}
	l := &lease{client: client, id: granted.ID, length: inSeconds(granted.TTL), elapsed: elapsed}
	l.confirm(asked, granted.TTL)
	return l, nil
}

func inSeconds(n int64) time.Duration { return time.Duration(n) * time.Second }

func (l *lease) confirm(asked time.Duration, granted int64) {
	length := inSeconds(granted)
	l.confirmedUntil.Store(int64(asked + length - marginOf(length)))
}

// isLost reports whether the lease has not been confirmed for longer than it lasts. If it lives yet, by answers that come too
// late to act by, it keeps others from leading who may be answered sooner.
func (l *lease) isLost() bool { return l.elapsed()-time.Duration(l.confirmedUntil.Load()) > l.length }

func (l *lease) isConfirmed() bool { return int64(l.elapsed()) < l.confirmedUntil.Load() }

// explain adds to an error why the lease was not renewed, if that is known.
func (l *lease) explain(err error) error {
	if why := l.failure.Load(); why != nil && *why != nil {
		return fmt.Errorf("%w: %s", err, (*why).Error()) // in words alone: what it was is for nobody to judge
	}
	return err
}

// keep renews the lease until ctx ends, or the lease does, or is lost.
func (l *lease) keep(ctx context.Context) error {
	for wait := l.length / renewals; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		err := l.renew(ctx)
		l.failure.Store(&err)
		switch {
		case err == nil:
			wait = l.length / renewals
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			return err
		case l.isLost():
			return fmt.Errorf("etcd has not confirmed it for longer than it lasts: %w", err)
		default:
			wait = l.length / retries
		}
	}
}

// renew asks once.
func (l *lease) renew(ctx context.Context) error {
	if l.renewing == nil {
		l.renewing = newRenewing(ctx, l.client)
	}
	late := time.AfterFunc(l.length/renewals, l.renewing.end)
	asked, length, err := l.renewing.ask(l.id, l.elapsed)
	if err != nil || !late.Stop() {
		l.renewing.end()
		l.renewing = nil
	}
	switch {
	case err != nil:
		return rpctypes.Error(err)
	case length <= 0:
		return rpctypes.ErrLeaseNotFound
	}
	l.confirm(asked, length)
	return nil
}

// renewing is a stream of questions, each of which is answered before the next. One that is not answered in time ends it,
// so that no answer is taken for that to another question. The client's own stream takes an answer for news however old it
// is; and its KeepAliveOnce opens one each time: where etcd asks for a name, that is a login, which costs a password's hash
// and a write to etcd's log.
type renewing struct {
	ctx    context.Context
	end    context.CancelFunc
	leases etcdserverpb.LeaseClient
	stream etcdserverpb.Lease_LeaseKeepAliveClient // nil until the first question
}

func newRenewing(ctx context.Context, client *clientv3.Client) *renewing {
	r := &renewing{leases: etcdserverpb.NewLeaseClient(client.ActiveConnection())}
	r.ctx, r.end = context.WithCancel(ctx)
	return r
}

// ask returns when it asked, and for how many seconds from then etcd has renewed a lease; 0: there is none.
func (r *renewing) ask(id clientv3.LeaseID, elapsed func() time.Duration) (asked time.Duration, length int64, err error) {
	if r.stream == nil {
		if r.stream, err = r.leases.LeaseKeepAlive(r.ctx); err != nil {
			return 0, 0, err
		}
	}
	asked = elapsed()
	if err := r.stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil {
		return 0, 0, err
	}
	answer, err := r.stream.Recv()
	return asked, answer.GetTTL(), err
}
