package etcdjournal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// FollowOptions say what a copy follows.
type FollowOptions struct {
	Prefix   string           // as the leader's store has it
	Keys     []secret.Value   // as the leader's store has them
	Identity *secret.Identity // if set, has to open what the first leader's sealed

	// Elapsed is the time since boot, suspension included: a copy is old after it. Nil: it is not known, and the time since
	// the copy began will do.
	Elapsed func() time.Duration

	limits limits
}

// Copy is what a standby knows of etcd's content. It follows by one watch that begins after a list, and writes nothing.
// It is safe for concurrent use.
type Copy struct {
	*place
	options FollowOptions
	ended   chan struct{} // closed when it follows no more

	visitors sync.RWMutex // held, for reading, by who uses records: who takes them over may change them

	mu       sync.Mutex
	contents *contents
	why      error         // nil while it follows
	asOf     time.Duration // elapsed time when etcd was asked last whether there is more, and there was not
	changed  chan struct{} // closed, and made anew, when one of these has changed
}

// Follow begins a copy, in the background: it goes on, whatever happens to etcd, until it is closed or handed over.
func Follow(client *clientv3.Client, o FollowOptions) *Copy {
	if o.Elapsed == nil {
		began := time.Now()
		o.Elapsed = func() time.Duration { return time.Since(began) }
	}
	c := &Copy{
		place: newPlace(client, o.Prefix, newSigner(o.Keys, Term{}), o.limits), options: o,
		ended: make(chan struct{}), why: ErrNotRead, asOf: o.Elapsed(), changed: make(chan struct{}),
	}
	c.contents, c.failed = newContents(c.place, o.Elapsed), c.lose
	go func() {
		defer close(c.ended)
		c.keepFollowing(c.closing)
	}()
	return c
}

// ErrNotRead is why a copy cannot be relied on that is being read for the first time, while nothing has failed.
var ErrNotRead = errors.New("it was not read yet")

var (
	errHandedOver = errors.New("this replica was elected, and follows nobody")
	errStopped    = errors.New("it follows no more")
	errBehind     = errors.New("what this replica knows is not up to date")
)

// Close ends the following.
func (c *Copy) Close() {
	c.close()
	<-c.ended
}

// Behind is for how long nobody has said that the copy is up to date.
func (c *Copy) Behind() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.options.Elapsed() - c.asOf
}

// longBehind is how old a copy is that nobody should rely on.
const longBehind = 10 * time.Second

// Err is why a replica with this copy should not lead: it does not follow, or it is behind, or what it has seen is not
// ours to use. It is nil when all is well.
func (c *Copy) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	behind := c.options.Elapsed() - c.asOf
	switch {
	case c.why != nil:
		return c.faultOf(reading, c.why)
	case behind > longBehind:
		return c.faultOf(reading, fmt.Errorf("%w: it is of %s ago", errBehind, behind.Round(time.Second)))
	}
	return c.contents.err()
}

// Ignored names what cannot be read and keeps nobody from leading: who leads next makes it anew.
func (c *Copy) Ignored() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.contents.errOf(c.contents.ignored)
}

// Ready waits until the copy has seen the term's record that was written at a revision: it then holds all that was
// written before.
func (c *Copy) Ready(ctx context.Context, revision int64) error {
	for {
		ready, changed, err := c.hasSeen(revision)
		if ready || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return c.faultOf(reading, ctx.Err())
		case <-c.ended:
			return c.faultOf(reading, errStopped)
		}
	}
}

func (c *Copy) hasSeen(revision int64) (ready bool, changed <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.contents.termAt > revision {
		return false, nil, c.faultOf(reading, ErrNotLeader)
	}
	return c.contents.termAt == revision, c.changed, nil
}

// handOver returns what the copy holds once it is ready, and ends it; nil when it is not ready soon.
func (c *Copy) handOver(ctx context.Context, revision int64) *contents {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.limits.call, callTime))
	defer cancel()
	err := c.Ready(ctx, revision)
	c.Close()
	c.visitors.Lock()
	defer c.visitors.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.contents
	c.contents, c.why = newContents(c.place, c.options.Elapsed), errHandedOver
	if err != nil || all.termAt != revision {
		return nil
	}
	return all
}

// Term is the record of who leads, or led last; false when nobody did yet, or it is not known.
func (c *Copy) Term() (TermRecord, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.contents.term, c.contents.termAt > 0
}

// LeaderClock is what the leader told last of its clocks.
func (c *Copy) LeaderClock() LeaderClock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.contents.clock
}

// SharedKey returns a key that a leader has made.
func (c *Copy) SharedKey(name string) (secret.Value, error) {
	c.mu.Lock()
	sealed, ok := c.contents.small[sharedFolder+name]
	c.mu.Unlock()
	if !ok {
		return secret.Value{}, c.faultOf(reading, fmt.Errorf("no leader has made the key %q yet", name))
	}
	key, err := c.openShared(c.options.Identity, sharedFolder+name, sealed)
	if err != nil {
		return secret.Value{}, c.faultOf(reading, err)
	}
	return key, nil
}

// Visit calls visit for every record, or one slot's, which is not to be changed, nor kept. The copy follows on meanwhile,
// and is not handed over.
func (c *Copy) Visit(key *moq.Key, visit func(*slot.Record)) {
	c.visitors.RLock()
	defer c.visitors.RUnlock()
	for _, r := range c.ownRecords(key) {
		visit(r)
	}
}

func (c *Copy) ownRecords(key *moq.Key) []*slot.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key != nil {
		if h, ok := c.contents.records[*key]; ok {
			return []*slot.Record{h.record}
		}
		return nil
	}
	all := make([]*slot.Record, 0, len(c.contents.records))
	for _, h := range c.contents.records {
		all = append(all, h.record)
	}
	return all
}
