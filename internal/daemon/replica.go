package daemon

import (
	"cmp"
	"context"
	"errors"
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
	"github.com/rotatord/rotatord/internal/web"
)

// How long the parts of a replica may take to stop, of usualStop.
const (
	replicaTime = 27 * time.Second // a term with all that is in it
	etcdTime    = time.Second
)

const (
	// fitCheck is the time between two looks whether this replica may campaign.
	fitCheck = 200 * time.Millisecond
	// quietFor is for how long a replica may not be fit before a person is told: etcd may come up at the same time.
	quietFor = 3 * time.Second
	// lastingRest is the time between tries where only a person can mend what is wrong.
	lastingRest = 15 * time.Second
)

// replica is this process as one of several that share an etcd. It follows what the leader writes until it could
// lead, campaigns, opens the store of its term, leads until the term is over, and begins anew:
//
//	connect -> follow -> campaign -> open -> lead -> (over) -> follow
//
// What lives as long as the process, such as the pages, accounts and sinks, is not touched by that.
type replica struct {
	*daemon
	etcd      *config.Etcd
	name      string
	advertise string        // where others reach it; "" nowhere
	spki      func() string // digest of its certificate's key there
	identity  *secret.Identity
	keys      []secret.Value // of the identity, that records are signed with

	client   *clientv3.Client // of the loop; nil until there is one
	fleet    atomic.Pointer[config.Config]
	copy     atomic.Pointer[etcdjournal.Copy] // of what the leader writes; nil before the first, and while this replica leads
	trouble  atomic.Pointer[error]            // why this replica cannot lead, beside what the copy says
	lastLook atomic.Pointer[electionLook]     // who leads; nil before the first
	space    atomic.Pointer[etcdjournal.SpaceWatch]

	equals   vigil                           // for replicas with the configuration applied last
	others   vigil                           // for other candidates
	ignored  error                           // what etcd holds that cannot be read and does no harm, as told last; of watchOthers
	differed atomic.Bool                     // that this one's differs was told
	told     atomic.Pointer[leadership.Card] // of this leader, to all
	key      atomic.Pointer[secret.Value]    // shared by all; nil before this leader knows it

	markers sync.Map // marker by its folder
	sights  sync.Map // sight by the folder; what does not stand there was not looked at yet

	announce func() // is called once it leads or stands by for the first time

	end        context.CancelFunc
	ended      chan struct{}
	ofLastTerm teardown // of the term in force at the stop
}

// startReplica has the replica lead or stand by, until it is told to stop.
func (d *daemon) startReplica(ctx context.Context, cfg *config.Config, pages *web.Server, announce func()) error {
	r, err := d.newReplica(ctx, cfg, replicaName(pages.Addr()), announce)
	if err != nil {
		return err
	}
	r.spki = pages.SPKI
	ctx, r.end = context.WithCancel(ctx)
	go func() {
		defer d.lines.LastWords()
		defer close(r.ended)
		r.serveTerms(ctx)
	}()
	d.teardown.add("replica", replicaTime, r.stop)
	d.startParts(ctx, "background work", append(d.parts(), r.watches()...), &d.teardown)
	return nil
}

// newReplica opens what lives as long as the process. An error is of the configuration or the identity.
func (d *daemon) newReplica(ctx context.Context, cfg *config.Config, name string, announce func()) (*replica, error) {
	r := &replica{
		daemon: d, etcd: cfg.State.Etcd, name: name, announce: sync.OnceFunc(announce),
		spki: func() string { return "" }, ended: make(chan struct{}), ofLastTerm: teardown{lines: d.lines},
	}
	if err := r.readIdentity(cfg); err != nil {
		return nil, err
	}
	r.fleet.Store(cfg)
	d.replica.Store(r)
	if _, err := d.apply(ctx, cfg, nil); err != nil {
		return nil, err
	}
	d.teardown.add("accounts and sinks", backendsTime, d.closeBackends)
	d.teardown.add("etcd", etcdTime, r.hangUp)
	return r, nil
}

// readIdentity reads who this replica is: its address, and the identity, which is one for all and never made here.
func (r *replica) readIdentity(cfg *config.Config) (err error) {
	if r.advertise, err = cfg.Advertised(r.env.Environment); err != nil {
		return err
	}
	access := secret.ThisProcess(r.env.Environment, func(text string) { r.log.Warn("permissions: " + text) })
	if r.identity, err = sharedIdentity(cfg.State.IdentityFile, access); err != nil {
		return err
	}
	r.keys, err = etcdjournal.KeysOf(r.identity)
	return err
}

func (r *replica) hangUp(context.Context) error {
	if c := r.copy.Load(); c != nil {
		c.Close()
	}
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
	if c := r.core.Load(); c != nil && c.term.MayAct() != nil {
		_ = c.journal.Close() // etcd is away: nothing can be saved, and nobody waits for that
	}
	end, _ := ctx.Deadline()
	return r.ofLastTerm.run(time.Until(end))
}

// serveTerms leads whenever this replica is elected, until ctx ends. A term in force is left to stop.
func (r *replica) serveTerms(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.serveOnce(ctx); err != nil && ctx.Err() == nil {
			r.noteTrouble(err)
			wait(ctx, restAfter(err))
		}
	}
}

// serveOnce campaigns, and leads for one term. It returns nil when a term is over.
func (r *replica) serveOnce(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	r.follow()
	r.awaitFitness(ctx)
	t, err := r.campaign(ctx)
	if err != nil {
		return err
	}
	if t == nil {
		return nil // it is not fit any more
	}
	return r.lead(ctx, t)
}

// watches are what runs beside the loop, while this replica stands by and while it leads.
func (r *replica) watches() []func(context.Context) {
	return []func(context.Context){r.watchOthers, r.watchFolders}
}

// connect makes the client, and has etcd's room be watched until ctx ends.
func (r *replica) connect(ctx context.Context) (err error) {
	if r.client != nil {
		return nil
	}
	if r.client, err = dialEtcd(r.etcd, r.env.Environment); err != nil {
		return err
	}
	w := etcdjournal.NewSpaceWatch(r.client, r.etcd.Prefix)
	r.space.Store(w)
	go func() {
		defer r.lines.LastWords()
		w.Run(ctx, spaceCheck, func(etcdjournal.SpaceNotes) { r.tellSpace(w) })
	}()
	return nil
}

// follow begins to follow what the leader writes, unless the last term could not begin, and it still does.
func (r *replica) follow() {
	if r.copy.Load() == nil {
		r.beginVigils()
		r.copy.Store(etcdjournal.Follow(r.client, etcdjournal.FollowOptions{
			Prefix: r.etcd.Prefix, Keys: r.keys, Identity: r.identity, Elapsed: sinceBoot,
		}))
	}
}

// unfit is why this replica may not campaign; nil when it may.
func (r *replica) unfit() error {
	c := r.copy.Load()
	if c == nil {
		return nil // it was elected meanwhile
	}
	return cmp.Or(c.Err(), r.checkFolders(c), r.yields(c))
}

// leavesLeading reports whether an error is why this replica leaves leading to others, and could lead where there are none.
func leavesLeading(err error) bool { return fault.Is(errOtherConfig, errUnseen)(err) }

// awaitFitness returns when this replica may campaign, or when ctx ends.
func (r *replica) awaitFitness(ctx context.Context) {
	for began := sinceBoot(); ; {
		err := r.unfit()
		switch {
		case err == nil:
			return
		case leavesLeading(err):
			r.noteTrouble(nil)
		case isElsewhere(err) || !errors.Is(err, etcdjournal.ErrNotRead) && sinceBoot()-began > quietFor:
			r.noteTrouble(err)
		}
		if !wait(ctx, fitCheck) {
			return
		}
	}
}

// campaign returns the term for which this replica was elected; neither a term nor an error when it is not fit any more.
func (r *replica) campaign(ctx context.Context) (*leadership.Term, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	card := r.card()
	go func() {
		for wait(ctx, fitCheck) {
			if r.isToGiveUp(card) {
				cancel()
			}
		}
	}()
	t, err := r.candidate(card).Campaign(ctx)
	switch {
	case ctx.Err() != nil && err == nil:
		return nil, t.Resign(context.WithoutCancel(ctx))
	case ctx.Err() != nil:
		return nil, nil //nolint:nilnil // as it says
	case errors.Is(err, leadership.ErrOver): // it never led
		r.log.Info("this replica's candidacy has ended; it campaigns anew", zap.Error(err))
		return nil, nil //nolint:nilnil // as it says
	case err != nil:
		return nil, etcdjournal.FaultOf("campaign", r.client, r.etcd.Prefix, err)
	}
	return t, nil
}

// isToGiveUp reports whether a candidacy is to end: for good, or to begin anew with another card.
func (r *replica) isToGiveUp(card leadership.Card) bool {
	err := r.unfit()
	return leavesLeading(err) || isElsewhere(err) || err != nil && fault.Of(err).Class == fault.Permanent ||
		!card.SaysTheSame(r.card())
}

func (r *replica) candidate(card leadership.Card) leadership.Candidate {
	return leadership.Candidate{
		Client: r.client, Prefix: r.etcd.Prefix + electionFolder, Length: r.etcd.LeaseTTL, Elapsed: sinceBoot, Card: card,
		Granted: func() { r.noteTrouble(nil) },
	}
}

func (r *replica) card() leadership.Card {
	return leadership.Card{
		Replica: r.name, Advertise: r.advertise, SPKI: r.spki(), Config: r.fleet.Load().Digest(), Since: time.Now(),
	}
}

// noteTrouble notes why this replica cannot lead, and says so once for each reason; nil ends it.
func (r *replica) noteTrouble(err error) {
	before := r.trouble.Swap(&err)
	if err != nil && (before == nil || !isSameTrouble(*before, err)) {
		r.log.Error("this replica cannot lead; trying again", zap.Error(err))
	}
}

// isSameTrouble goes by what has to be done: a text may tell the time.
func isSameTrouble(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return fault.Of(a).Reason == fault.Of(b).Reason && fault.Of(a).Hint == fault.Of(b).Hint
}

func restAfter(err error) time.Duration {
	if fault.Of(err).Class == fault.Permanent {
		return lastingRest
	}
	return startRetry
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

const spaceCheck = 15 * time.Second

// tellSpace says what is to be done for etcd's room; nothing any more is told by silence.
func (r *replica) tellSpace(w *etcdjournal.SpaceWatch) {
	for _, err := range w.Errs() {
		r.log.Warn("etcd's room", zap.Error(err))
	}
}

// size is that of the fullest member's database; -1 while it is not known.
func (r *replica) size() int64 {
	if w := r.space.Load(); w != nil {
		return w.Size()
	}
	return -1
}

// free is how much of its quota the fullest member has left; -1 while it is not known.
func (r *replica) free() int64 {
	if w := r.space.Load(); w != nil {
		return w.Free()
	}
	return -1
}

// replicaNotes say what a person should know of the replicas and of etcd.
func (r *replica) replicaNotes() (notes []string) {
	if w := r.space.Load(); w != nil {
		for _, err := range w.Errs() {
			notes = append(notes, err.Error())
		}
	}
	if c := r.copy.Load(); c != nil {
		if err := c.Ignored(); err != nil {
			notes = append(notes, err.Error())
		}
	}
	return append(notes, r.differences()...)
}

// differences tell what keeps replicas from being alike.
func (r *replica) differences() []string { return append(r.otherConfigs(), r.unseenFolders()...) }
