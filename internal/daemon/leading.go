package daemon

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/leadership"
)

const (
	resignTime = 2 * time.Second // of usualStop
	// lostTermTime is for how long what a term has begun may take to stop once it is over: mints under way.
	lostTermTime = 20 * time.Second
)

// lead works until the term is over, or until ctx ends, which leaves the term to stop. An error is why the term could
// not begin.
func (r *replica) lead(ctx context.Context, t *leadership.Term) error {
	opened := teardown{lines: r.lines}
	opened.add("leadership", resignTime, func(ctx context.Context) error { return r.resign(ctx, t) })
	c, err := r.openTerm(ctx, t, &opened)
	if err != nil {
		return errors.Join(err, opened.run(lostTermTime))
	}
	r.startTerm(ctx, c, &opened)
	select {
	case <-ctx.Done():
		r.ofLastTerm.moveFrom(&opened)
	case <-t.Over():
		r.endTerm(t, &opened)
	}
	return nil
}

// handOverTime is for how long a single run waits to be fit and to be elected, beyond the leases of those who are gone.
const handOverTime = 5 * time.Second

// leadOnce opens a term for who does what is due and ends. It is refused while another replica leads.
func (r *replica) leadOnce(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	r.follow()
	t, err := r.campaignOnce(ctx)
	if err == nil && t == nil {
		return r.notElected(ctx)
	}
	if err != nil {
		return err
	}
	opened := teardown{lines: r.lines}
	opened.add("leadership", resignTime, func(ctx context.Context) error { return r.resign(ctx, t) })
	_, err = r.openTerm(ctx, t, &opened)
	r.teardown.moveFrom(&opened)
	return err
}

// campaignOnce is campaign for who waits a while, and no longer: one lease for who led, and two for who goes before.
func (r *replica) campaignOnce(ctx context.Context) (*leadership.Term, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.startParts(ctx, "watch over the other replicas", r.watches(), &r.teardown)
	patient, cancel := context.WithTimeout(ctx, r.etcd.LeaseTTL+r.twoLeases()+handOverTime)
	defer cancel()
	r.awaitFitness(patient)
	if r.unfit() != nil {
		return nil, nil //nolint:nilnil // as campaign has it
	}
	patient, cancel = context.WithTimeout(ctx, r.twoLeases()+handOverTime)
	defer cancel()
	return r.campaign(patient)
}

// notElected says why a single run may not work.
func (r *replica) notElected(ctx context.Context) error {
	r.lookWhoLeads(ctx)
	if err := r.unfit(); err != nil && (r.lastLook.Load().leader() == "" || !leavesLeading(err)) {
		return err
	}
	return fault.Newf(fault.Retry, fault.Conflict, "run --once", "", "%w", r.standingBy()).
		WithHint("who leads does what is due; `rotatord rotate` asks it for more. To work without it, stop all replicas first")
}

// openTerm opens the store of a term and has the slots work. No reload comes between. Nothing of it outlives the term, or
// waits for an etcd that is away meanwhile.
func (r *replica) openTerm(ctx context.Context, t *leadership.Term, opened *teardown) (*core, error) {
	ctx, cancel := untilOver(ctx, t)
	defer cancel()
	if err := r.awaitReload(ctx); err != nil {
		return nil, err
	}
	defer r.reloading.Unlock()
	cfg, b := r.fleet.Load(), r.backends.Load()
	_, revision := t.Fence()
	clock := NewSystemClock().during(revision)
	s, err := r.openStore(ctx, t, clock)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })() // before cancel
	c := newCore(termStore{s, t}, r.identity, t)
	opened.add("journal", journalTime, func(context.Context) error { return c.journal.Close() })
	r.copy.Store(nil)                                    // it was handed over
	r.told.Store(&leadership.Card{Config: cfg.Digest()}) // as the record of the term says
	r.key.Store(nil)
	c.since, c.revision = time.Now(), revision
	if err := r.load(ctx, c, cfg, clock); err != nil {
		return nil, err
	}
	if err := r.agreeOn(ctx, s, r.foldersOf(cfg)); err != nil {
		return nil, err
	}
	r.log.Info("this replica leads now", zap.String("replica", r.name), zap.Int64("term", c.revision))
	c.engine.Configure(cfg.Plans(), b, b, b.sinkNames())
	opened.add("slots", slotsTime, func(ctx context.Context) error { return r.stopSlots(ctx, c) })
	r.core.Store(c)
	return c, nil
}

// reloadPatience is how long who was elected waits for the end of a reload, which may hang at a file: another replica can
// lead meanwhile.
const reloadPatience = 10 * time.Second

// awaitReload takes the lock of reloads, if it can be had in time.
func (r *replica) awaitReload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadPatience)
	defer cancel()
	for !r.reloading.TryLock() {
		if !wait(ctx, fitCheck) {
			return fault.Newf(fault.Retry, fault.Timeout, "lead", "", "a reload of this replica is under way, and does not end").
				WithHint("see whether the configuration and the files that it names can be read")
		}
	}
	return nil
}

// openStore tells all that this replica leads, by the first write of its term.
func (r *replica) openStore(ctx context.Context, t *leadership.Term, clock SystemClock) (*etcdjournal.Store, error) {
	var fence etcdjournal.Term
	fence.Key, fence.Revision = t.Fence()
	card := r.card()
	return etcdjournal.Open(ctx, r.client, etcdjournal.Options{
		Prefix: r.etcd.Prefix, Term: fence, Keys: r.keys, Identity: r.identity, Copy: r.copy.Load(), Clock: clock,
		Observe: r.metrics.JournalWrite,
		Warn:    func(err error) { r.log.Warn("what replicas share in etcd was damaged", zap.Error(err)) },
		TermRecord: etcdjournal.TermRecord{
			Replica: card.Replica, Advertise: card.Advertise, Since: card.Since, Config: card.Config,
		},
	})
}

// startTerm has everything know that this replica leads.
func (r *replica) startTerm(ctx context.Context, c *core, opened *teardown) {
	_ = r.warnOfUnsetClock()
	r.startParts(ctx, "background work of the term", r.partsOf(c), opened)
	r.metrics.Leader(c.since)
	r.announce()
}

// endTerm stops what a term has begun, as who may not act any more.
func (r *replica) endTerm(t *leadership.Term, opened *teardown) {
	r.log.Warn("this replica leads no more: it begins nothing, and stands by", zap.String("replica", r.name), zap.Error(t.Err()))
	r.metrics.Leader(time.Time{})
	r.core.Store(nil)
	if err := opened.run(lostTermTime); err != nil {
		r.log.Warn("what the former term had begun does not end in time, and is left to itself", zap.Error(err))
	}
}

// resign has the next replica be elected at once, if etcd answers.
func (r *replica) resign(ctx context.Context, t *leadership.Term) error {
	if err := t.Resign(ctx); err != nil {
		r.log.Warn("etcd does not take the leader's lease back: the next replica is elected when it ends", zap.Error(err))
	}
	r.metrics.Leader(time.Time{})
	return nil
}
