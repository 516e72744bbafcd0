package leadership

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

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

	confirmedUntil atomic.Int64 // elapsed time in nanoseconds
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

func (l *lease) isConfirmed() bool { return int64(l.elapsed()) < l.confirmedUntil.Load() }

// keep renews the lease until ctx ends, or until etcd says that there is none any more.
func (l *lease) keep(ctx context.Context) error {
	for wait := l.length / renewals; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		err := l.renew(ctx)
		switch {
		case err == nil:
			wait = l.length / renewals
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			return err
		default:
			wait = l.length / retries
		}
	}
}

// renew asks once. The client's own loop takes an answer for news however old it is.
func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.length/renewals)
	defer cancel()
	asked := l.elapsed()
	renewed, err := l.client.KeepAliveOnce(ctx, l.id)
	if err != nil {
		return err
	}
	l.confirm(asked, renewed.TTL)
	return nil
}
