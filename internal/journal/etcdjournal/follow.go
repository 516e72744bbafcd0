package etcdjournal

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// keepFollowing follows until ctx ends. After an error it goes on where the last watch ended, if etcd still is the same;
// else with a list.
func (c *Copy) keepFollowing(ctx context.Context) {
	for rest := cmp.Or(c.limits.rest, firstRest); ctx.Err() == nil; {
		began := time.Now()
		err := c.followOnce(ctx)
		c.lose(err)
		if time.Since(began) > longRest {
			rest = cmp.Or(c.limits.rest, firstRest)
		}
		wait(ctx, rest)
		rest = min(2*rest, longRest)
	}
}

func (c *Copy) followOnce(ctx context.Context) error {
	from, err := c.beginFollowing(ctx)
	if err != nil {
		return err
	}
	return c.watch(ctx, from)
}

// beginFollowing returns the revision that a watch has to begin with: of what is known already, because etcd does not say that
// there is no more before it has reached it. Nobody else changes the contents.
func (c *Copy) beginFollowing(ctx context.Context) (int64, error) {
	if !c.contents.anchor.holds(ctx, c.place) {
		return c.readAll(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.contents.revision = c.contents.anchor.revision
	return c.contents.revision, nil
}

// readAll lists everything. What is newer, or sealed for others, is not read.
func (c *Copy) readAll(ctx context.Context) (int64, error) {
	all := newContents(c.place, c.options.Elapsed)
	if _, err := c.list(ctx, folder(metaFolder), all.addPage, all.clear); err != nil {
		return 0, err
	}
	if err := all.checkForm(c.options.Identity); err != nil {
		return 0, err
	}
	all.clear()
	revision, err := c.list(ctx, followed(), all.addPage, all.clear)
	if err != nil {
		return 0, err
	}
	all.revision = revision
	c.mu.Lock()
	defer c.mu.Unlock()
	c.contents = all
	c.tell()
	return revision, nil
}

// errSilent ends a watch that etcd says nothing in, though it was asked.
var errSilent = errors.New("etcd is silent in its watch")

// watch follows from a revision on until something ends it.
func (c *Copy) watch(ctx context.Context, from int64) error {
	ctx, end := context.WithCancelCause(clientv3.WithRequireLeader(ctx))
	defer end(nil)
	silent := time.AfterFunc(c.silence(), func() { end(errSilent) }) // to begin may take for ever, too
	defer silent.Stop()
	w := clientv3.NewWatchFromWatchClient(&oneStream{WatchClient: etcdserverpb.NewWatchClient(c.client.ActiveConnection())}, c.client)
	defer func() { _ = w.Close() }()
	of := followed()
	answers := w.Watch(ctx, c.full(of.from), clientv3.WithRange(c.full(of.end)), clientv3.WithRev(from), clientv3.WithFragment(),
		clientv3.WithCreatedNotify())
	f := following{ctx: ctx, copy: c, watcher: w, again: time.NewTimer(c.silence())}
	defer f.again.Stop()
	for {
		select {
		case answer, ok := <-answers:
			if !ok {
				return cmp.Or(context.Cause(ctx), errLost)
			}
			silent.Reset(c.silence())
			if err := f.take(&answer); err != nil {
				return err
			}
		case <-f.again.C:
			if err := f.ask(); err != nil {
				return err
			}
		}
	}
}

// silence is for how long etcd may say nothing; it is asked several times meanwhile.
func (c *Copy) silence() time.Duration { return cmp.Or(c.limits.call, callTime) }

// following is one watch.
type following struct {
	ctx     context.Context // with which it was begun: it names the stream
	copy    *Copy
	watcher clientv3.Watcher
	asking  bool          // whether there is more
	asked   time.Duration // elapsed time then
	again   *time.Timer   // when it is to be asked next
}

// ask asks etcd whether there is more. It does not answer while it is behind itself: then it is asked again soon.
func (f *following) ask() error {
	if !f.asking {
		f.asking, f.asked = true, f.copy.options.Elapsed()
	}
	f.again.Reset(f.copy.silence() / 50)
	return f.watcher.RequestProgress(f.ctx)
}

func (f *following) take(a *clientv3.WatchResponse) error {
	if err := a.Err(); err != nil {
		return err
	}
	switch {
	case a.Created:
		return f.ask()
	case a.IsProgressNotify() && !f.asking:
		return nil // the answer to a question that was repeated
	case a.IsProgressNotify():
		f.copy.isUpToDate(f.asked)
		f.asking = false
		f.again.Reset(f.copy.silence() / 5)
		return nil
	}
	return f.copy.apply(a.Events)
}

// apply takes what has changed, in its order.
func (c *Copy) apply(events []*clientv3.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range events {
		c.contents.applyEvent(e)
	}
	c.contents.revision = max(c.contents.revision, events[len(events)-1].Kv.ModRevision)
	c.tell()
	return c.contents.checkForm(c.options.Identity)
}

func (c *Copy) isUpToDate(asOf time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asOf, c.why = asOf, nil
	c.tell()
}

func (c *Copy) lose(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = why
	c.tell()
}

// tell wakes whoever waits for a change.
func (c *Copy) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// oneStream opens one stream. The client would open another when that is lost, and go on in an etcd that may have been
// restored from a snapshot meanwhile.
type oneStream struct {
	etcdserverpb.WatchClient
	opened atomic.Bool
}

// Watch opens the stream.
func (s *oneStream) Watch(ctx context.Context, o ...grpc.CallOption) (etcdserverpb.Watch_WatchClient, error) {
	if s.opened.Load() {
		return nil, status.Error(codes.Aborted, errLost.Error())
	}
	stream, err := s.WatchClient.Watch(ctx, o...)
	s.opened.Store(err == nil)
	return stream, err
}

var errLost = errors.New("the connection to etcd was lost")
