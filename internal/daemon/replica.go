package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/secret"
)

// How long the parts of a replica may take to stop, of usualStop.
const (
	replicaTime = 27 * time.Second // a term with all that is in it
	resignTime  = 2 * time.Second
	etcdTime    = time.Second
)

const (
	// lostTermTime is for how long mints under way are waited for, of whose term is over.
	lostTermTime = 20 * time.Second
	// lastingRest is the time between tries where only a person can mend what is wrong.
	lastingRest = 15 * time.Second
)

// replica is this process as one of several that share an etcd. It looks whether it could lead, campaigns, opens
// the store of its term, leads until the term is over, and begins anew. What lives as long as the
// process, such as the pages, accounts and sinks, is not touched by that.
type replica struct {
	*daemon
	etcd      *config.Etcd
	name      string
	advertise string // where others reach it; "" nowhere
	announce  func() // is called once it leads or stands by for the first time
	identity  *secret.Identity

	client  *clientv3.Client // of the loop; nil until there is one
	fleet   atomic.Pointer[config.Config]
	trouble atomic.Pointer[error]    // why this replica cannot lead at present, nor will
	seen    atomic.Pointer[sighting] // nil before the first
	told    sync.Once                // that it works

	end   context.CancelFunc
	ended chan struct{}
	left  teardown // of the term in force at the stop
}

// startReplica opens what lives as long as the process, and has the replica lead or stand by from then on. An error is of
// the configuration or the identity.
func (d *daemon) startReplica(ctx context.Context, cfg *config.Config, name string, announce func()) error {
	r := &replica{daemon: d, etcd: cfg.State.Etcd, name: name, announce: announce, ended: make(chan struct{}), left: teardown{lines: d.lines}}
	if err := r.readIdentity(cfg); err != nil {
		return err
	}
	r.fleet.Store(cfg)
	d.replica.Store(r)
	if _, err := d.apply(ctx, cfg, nil); err != nil {
		return err
	}
	d.teardown.add("accounts and sinks", backendsTime, d.closeBackends)
	d.teardown.add("etcd", etcdTime, r.hangUp)
	ctx, r.end = context.WithCancel(ctx)
	go func() {
		defer d.lines.LastWords()
		defer close(r.ended)
		r.run(ctx)
	}()
	d.teardown.add("replica", replicaTime, r.stop)
	d.startParts(ctx, "background work", d.parts(), &d.teardown)
	return nil
}

// readIdentity reads who this replica is: its address, and the identity, which is one for all and never made here.
func (r *replica) readIdentity(cfg *config.Config) (err error) {
	if r.advertise, err = cfg.Advertised(r.env.Environment); err != nil {
		return err
	}
	access := secret.ThisProcess(r.env.Environment, func(text string) { r.log.Warn("permissions: " + text) })
	r.identity, err = secret.LoadIdentity(cfg.State.IdentityFile, access)
	return err
}

func (r *replica) hangUp(context.Context) error {
	if r.client == nil {
		return nil
	}
	return r.client.Close()
}

// stop ends what the replica does: who leads finishes the steps in hand and resigns.
func (r *replica) stop(ctx context.Context) error {
	r.end()
	select {
	case <-r.ended:
	case <-ctx.Done():
		return errors.New("what was being opened or ended does not end")
	}
	end, _ := ctx.Deadline()
	return r.left.run(time.Until(end))
}

// run leads whenever this replica is elected, until ctx ends. A term in force is left to stop.
func (r *replica) run(ctx context.Context) {
	watching := sync.OnceFunc(func() { go r.watchOthers(ctx) })
	for rest := time.Duration(0); wait(ctx, rest) && ctx.Err() == nil; {
		err := r.connect()
		if err == nil {
			watching()
			err = r.serveOnce(ctx)
		}
		rest = r.noteTrouble(ctx, err)
	}
}

func (r *replica) connect() (err error) {
	if r.client == nil {
		r.client, err = dialEtcd(r.etcd, r.env.Environment)
	}
	return err
}

// noteTrouble says why this replica cannot lead, once for each reason, and returns how long to wait.
func (r *replica) noteTrouble(ctx context.Context, err error) (rest time.Duration) {
	before := r.trouble.Swap(&err)
	if err == nil || ctx.Err() != nil {
		return 0
	}
	rest = startRetry
	if fault.Of(err).Class == fault.Permanent {
		rest = lastingRest
	}
	if before == nil || *before == nil || (*before).Error() != err.Error() {
		r.log.Error("this replica cannot lead; trying again", zap.Error(err), zap.Duration("retry_in", rest))
	}
	return rest
}

// serveOnce campaigns, and leads for one term. It returns nil when a term is over.
func (r *replica) serveOnce(ctx context.Context) error {
	if err := r.lookAround(ctx); err != nil {
		return err
	}
	r.trouble.Store(new(error))
	t, err := r.candidate().Campaign(ctx)
	if err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	return r.lead(ctx, t)
}

func (r *replica) candidate() leadership.Candidate {
	return leadership.Candidate{
		Client: r.client, Prefix: r.etcd.Prefix + electionFolder, Length: r.etcd.LeaseTTL, Elapsed: sinceBoot,
		Card: r.card(),
	}
}

func (r *replica) card() leadership.Card {
	return leadership.Card{Replica: r.name, Advertise: r.advertise, Config: r.fleet.Load().Digest(), Since: time.Now()}
}

// lead works until the term is over, or until ctx ends, which leaves the term to stop. An error is why the term could
// not begin.
func (r *replica) lead(ctx context.Context, t *leadership.Term) error {
	opened := teardown{lines: r.lines}
	opened.add("leadership", resignTime, func(ctx context.Context) error { return r.resign(ctx, t) })
	c, err := r.openTerm(ctx, t, &opened)
	if err != nil {
		return errors.Join(err, opened.run(lostTermTime))
	}
	r.startTerm(ctx, t, c, &opened)
	select {
	case <-ctx.Done():
		r.left.takeOver(&opened)
	case <-t.Over():
		r.endTerm(t, &opened)
	}
	return nil
}

// resign has the next replica be elected at once, if etcd answers.
func (r *replica) resign(ctx context.Context, t *leadership.Term) error {
	if err := t.Resign(ctx); err != nil {
		r.log.Warn("etcd does not take the leader's lease back: the next replica is elected when it ends", zap.Error(err))
	}
	r.metrics.Leader(false)
	return nil
}

// openTerm opens the store of a term and has the slots work. No reload comes between.
func (r *replica) openTerm(ctx context.Context, t *leadership.Term, opened *teardown) (*core, error) {
	s, err := r.openStore(ctx, t)
	if err != nil {
		return nil, err
	}
	c := newCore(s, r.identity, t)
	opened.add("journal", journalTime, func(context.Context) error { return c.journal.Close() })
	r.reloading.Lock()
	defer r.reloading.Unlock()
	cfg, b := r.fleet.Load(), r.backends.Load()
	_, revision := t.Fence()
	if err := r.load(ctx, c, cfg, NewSystemClock().during(revision)); err != nil {
		return nil, err
	}
	c.engine.Configure(cfg.Plans(), b, b, b.sinkNames())
	opened.add("slots", slotsTime, func(ctx context.Context) error { return r.stopSlots(ctx, c) })
	r.core.Store(c)
	return c, nil
}

func (r *replica) openStore(ctx context.Context, t *leadership.Term) (store, error) {
	keys, err := etcdjournal.KeysOf(r.identity)
	if err != nil {
		return nil, err
	}
	var fence etcdjournal.Term
	fence.Key, fence.Revision = t.Fence()
	s, err := etcdjournal.Open(ctx, r.client, etcdjournal.Options{
		Prefix: r.etcd.Prefix, Term: fence, Keys: keys, Observe: r.metrics.JournalWrite,
	})
	if err != nil {
		return nil, err
	}
	return termStore{s, t}, nil
}

// startTerm has everything know that this replica leads.
func (r *replica) startTerm(ctx context.Context, t *leadership.Term, c *core, opened *teardown) {
	_ = r.warnOfUnsetClock()
	r.startParts(ctx, "background work of the term", r.partsOf(c), opened)
	r.metrics.Leader(true)
	_, revision := t.Fence()
	r.log.Info("this replica leads now", zap.String("replica", r.name), zap.Int64("term", revision))
	r.told.Do(r.announce)
}

// endTerm stops what a term has begun, as who may not act any more.
func (r *replica) endTerm(t *leadership.Term, opened *teardown) {
	r.log.Warn("this replica leads no more: it begins nothing, and stands by", zap.String("replica", r.name), zap.Error(t.Err()))
	r.metrics.Leader(false)
	r.core.Store(nil)
	if err := opened.run(lostTermTime); err != nil {
		r.log.Error("what the former term had begun does not end", zap.Error(err))
	}
}

// replicaName is that of this machine, with the port of its pages: several may run on one.
func replicaName(listens string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if _, port, err := net.SplitHostPort(listens); err == nil {
		return host + ":" + port
	}
	return host
}
