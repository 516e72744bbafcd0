package etcdjournal

import (
	"cmp"
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// How long etcd may take. Its client has no deadline of its own: it waits for a connection for ever.
const (
	callTime  = 5 * time.Second        // one call
	patience  = 15 * time.Second       // a save, or one part of a reading, with all its calls: two of three members may be silent
	firstRest = 50 * time.Millisecond  // between two calls; twice as long each time
	longRest  = 800 * time.Millisecond // but no longer
)

// bound returns a context that ends with ctx, with the place, or when etcd's time is up.
func (p *place) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.limits.patience, patience))
	stop := context.AfterFunc(p.closing, cancel)
	return ctx, func() { stop(); cancel() }
}

// patiently is repeat for whoever has not bound ctx yet.
func (p *place) patiently(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	return p.repeat(ctx, call)
}

// repeat calls until there is an answer: again after an error that may pass, each call with a deadline of its own,
// until ctx ends. Whatever is called may be called again.
func (p *place) repeat(ctx context.Context, call func(context.Context) error) error {
	for rest := cmp.Or(p.limits.rest, firstRest); ; rest = min(2*rest, longRest) {
		if err := cmp.Or(p.hasEnded(), ctx.Err()); err != nil {
			return err
		}
		err := p.callOnce(ctx, call)
		if err == nil || isFinal(err) {
			return err
		}
		if p.failed != nil && ctx.Err() == nil {
			p.failed(err)
		}
		if !wait(ctx, rest) && !errors.Is(ctx.Err(), context.Canceled) {
			return err // it says more than that time is up
		}
	}
}

func (p *place) hasEnded() error {
	if p.closing.Err() != nil {
		return errClosed
	}
	return nil
}

// callOnce calls a member that has a leader: one that has none says so at once.
func (p *place) callOnce(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), cmp.Or(p.limits.call, callTime))
	defer cancel()
	return call(ctx)
}

// wait reports whether ctx lasted so long.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errLate says that a save was held up by an earlier one of this store, whose answer had been lost.
var errLate = errors.New("an earlier save of this slot landed late")
