package rotation

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// queued are a world's account and sinks, at which what changes something waits for its turn.
type queued struct {
	Cloudflare
	w    *world
	wait func(context.Context) // is told with what a call waits
}

func (q queued) Account(string) (Cloudflare, bool) { return q, true }

func (q queued) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	q.wait(ctx)
	return q.Cloudflare.Create(ctx, p, relayID, t)
}

func (q queued) Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error) {
	q.wait(ctx)
	return q.Cloudflare.Rotate(ctx, p, relayID, t)
}

func (q queued) Revoke(ctx context.Context, p moq.Priority, relayID, id string) error {
	q.wait(ctx)
	return q.Cloudflare.Revoke(ctx, p, relayID, id)
}

func (q queued) Sink(name string) (sinks.Sink, bool) {
	s, ok := q.w.Sink(name)
	return queuedSink{s, q.wait}, ok
}

type queuedSink struct {
	sinks.Sink
	wait func(context.Context)
}

func (s queuedSink) Write(ctx context.Context, target string, v secret.Value, o sinks.WriteOptions) error {
	s.wait(ctx)
	return s.Sink.Write(ctx, target, v, o)
}

// haveWait has the account's calls, or those of its sinks, wait for two seconds, in which something happens.
func (w *world) haveWait(atSinks bool, meanwhile func()) {
	q := queued{w.relay, w, func(context.Context) { w.passAtOnce(2 * time.Second); meanwhile() }}
	b := *w.engine.backends.Load()
	if atSinks {
		b.sinks = q
	} else {
		b.accounts = q
	}
	w.engine.backends.Store(&b)
}

var errSilent = errors.New("etcd does not answer")

func TestAMintWhoseTurnComesLateIsProvenThen(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		w := newWorld(t, strategy, 1)
		lease := w.inATerm(&term{})
		w.run(24*time.Hour - time.Minute)
		before := w.relay.next
		w.haveWait(false, func() { lease.unanswered = errSilent })
		w.run(2 * time.Minute)
		if r := w.disk.record(); w.relay.next != before || lease.proofs == 0 || r.PendingMint != nil || r.Failure == nil {
			t.Errorf("%s: %d mints without a proof, of which %d were asked for; %s", strategy, w.relay.next-before, lease.proofs, w.describe())
		}
		w.haveWait(false, func() { lease.unanswered = nil })
		w.run(10 * time.Minute)
		w.mustHold("value-2")
		w.mustBeSound()
	}
}

func TestARevocationWhoseTurnComesLateIsProvenThen(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	lease := w.inATerm(&term{})
	w.run(24*time.Hour + 30*time.Minute)
	w.mustHold("value-2")
	w.haveWait(false, func() { lease.unanswered = errSilent })
	w.run(time.Hour)
	if n := len(w.relay.revokes); n > 0 || lease.proofs == 0 || w.stats.steps[slot.StageRetire] > 0 {
		t.Errorf("%d revocations without a proof, of which %d were asked for, %d failures", n, lease.proofs, w.stats.steps[slot.StageRetire])
	}
	w.haveWait(false, func() { lease.unanswered = nil })
	w.run(time.Minute)
	if n := len(w.relay.revokes); n != 1 {
		t.Errorf("%d revocations once there is a proof", n)
	}
	w.mustBeSound()
}

func TestADeliveryWhoseTurnComesLateIsProvenThen(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	lease := w.inATerm(&term{})
	w.run(24*time.Hour - time.Minute)
	proofs := 0
	w.haveWait(true, func() { proofs, lease.unconfirmed = lease.proofs, errors.New("not confirmed") })
	w.run(10 * time.Minute)
	w.mustHold("value-1")
	if w.stats.failure > 0 || w.rec().Failure != nil {
		t.Errorf("that the lease ended before the write left counts as a failure: %s", w.describe())
	}
	w.haveWait(true, func() { proofs = lease.proofs })
	lease.unconfirmed = nil
	w.run(time.Minute)
	w.mustHold("value-2")
	if lease.proofs != proofs+1 {
		t.Errorf("%d proofs of a write that had waited, want one", lease.proofs-proofs)
	}
	w.mustBeSound()
}

func TestADeliveryWaitsForAStoreThatIsSilentOnce(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	lease := w.inATerm(&term{unanswered: errSilent})
	w.passAtOnce(2 * time.Second) // the last save proves nothing any more
	ctx := w.engine.delivering(t.Context())
	for range 3 { // a sink may need several requests
		if err := mandate.Of(ctx, nil).MayBegin(ctx); err != nil {
			t.Error(err)
		}
	}
	if lease.proofs != 1 {
		t.Errorf("%d questions to a store that does not answer", lease.proofs)
	}
	lease.unconfirmed = errors.New("not confirmed")
	if mandate.Of(ctx, nil).MayBegin(ctx) == nil {
		t.Error("it goes on though the lease is not confirmed")
	}
}

// What hangs for as long as a process leads again may not take the newer term for its own.
func TestACallKeepsTheMandateOfTheTermInWhichItBegan(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.inATerm(&term{})
	var hung context.Context
	q := queued{w.relay, w, func(ctx context.Context) { hung = ctx }}
	b := *w.engine.backends.Load()
	b.sinks = q
	w.engine.backends.Store(&b)
	w.settle()
	w.run(time.Minute)
	newer := func() error { return nil }
	if hung == nil || mandate.Of(hung, newer).MayAct() != nil {
		t.Fatal("nothing was written, or may not be")
	}
	w.engine.Halt()
	if err := mandate.Of(hung, newer).MayAct(); !errors.Is(err, errHalted) {
		t.Errorf("after its term: %v", err)
	}
	if err := mandate.Of(w.engine.work, newer).MayAct(); !errors.Is(err, errHalted) {
		t.Errorf("a read after its term: %v", err)
	}
}

// blind are a world's sinks, of which the next looks are held back: the lease was not confirmed just then.
type blind struct {
	w     *world
	looks int
}

func (b *blind) Sink(name string) (sinks.Sink, bool) {
	s, ok := b.w.Sink(name)
	return blindSink{s, b}, ok
}

type blindSink struct {
	sinks.Sink
	of *blind
}

func (s blindSink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	if err := s.of.hold(); err != nil {
		return sinks.Holding{}, err
	}
	return s.Sink.Read(ctx, target)
}

func (s blindSink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	if err := s.of.hold(); err != nil {
		return sinks.Holding{}, err
	}
	return s.Sink.Probe(ctx, target, o)
}

func (b *blind) hold() error {
	if b.looks--; b.looks >= 0 {
		return fault.HeldBack(errSilent, false)
	}
	return nil
}

func TestALookThatWasHeldBackIsMadeAgainAndFailsNothing(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		for _, first := range []int{1, 2, 3, 7} { // of a mint, a delivery, a revocation
			w := newWorld(t, strategy, 2)
			w.inATerm(&term{})
			w.run(24*time.Hour - time.Minute)
			before := w.relay.next
			b := *w.engine.backends.Load()
			b.sinks = &blind{w, first}
			w.engine.backends.Store(&b)
			for range 3 {
				w.run(12 * time.Hour)
				b.sinks.(*blind).looks = first
			}
			for _, e := range w.disk.events {
				if e.Kind == slot.EventFailed {
					t.Errorf("%s, %d looks: %s failed: %s", strategy, first, e.Stage, e.Detail)
				}
			}
			if r := w.rec(); w.relay.next == before || r.Failure != nil || r.Unfinished() {
				t.Errorf("%s, %d looks: %d mints; %s", strategy, first, w.relay.next-before, w.describe())
			}
		}
	}
}

// ownTurns are an account's in a budget that no other slot shares: each is kept for its holder alone.
type ownTurns struct {
	Cloudflare
	held, without int // turns that are held; mints that had none
}

func (b *ownTurns) Account(string) (Cloudflare, bool) { return b, true }

func (b *ownTurns) Reserve(_ moq.Priority, granted func()) (cancel func()) {
	b.held++
	granted()
	return func() { b.held-- }
}

func (b *ownTurns) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	if !p.Reserved || b.held == 0 {
		b.without++
	} else {
		b.held--
	}
	return b.Cloudflare.Create(ctx, p, relayID, t)
}

func TestAMintDoesNotUseATurnThatAReloadHandedBackMeanwhile(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour - time.Minute)
	budget := &ownTurns{Cloudflare: w.relay}
	configure := func() { w.engine.Configure([]*slot.Plan{w.plan}, budget, w, []string{"sink0"}) }
	configure()
	reloads := 0
	var reload func()
	reload = func() {
		if w.rec().PendingMint == nil {
			w.during(saveCall, reload)
			return
		}
		changed, policy := *w.plan, *w.plan.Policy
		policy.Grace += time.Minute
		changed.Policy, w.plan = &policy, &changed
		configure()
		reloads++
	}
	w.during(saveCall, reload)
	w.run(10 * time.Minute)
	w.mustHold("value-2")
	if reloads != 1 || budget.without > 0 || budget.held != 0 || w.relay.creates != 2 || len(w.stats.lag) != 1 {
		t.Errorf("%d reloads, %d mints without a turn of their own, %d turns still held, %d mints, lags %v; want 1, 0, 0, 2, one lag",
			reloads, budget.without, budget.held, w.relay.creates, w.stats.lag)
	}
	w.mustBeSound()
}

// In a time of its own that is short a delivery is not to spend all of it on a store that is silent.
func TestADeliveryWithLittleTimeWaitsForAProofForAPartOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 1, "disk")
		f.load()
		f.engine.Term = silentTerm{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		ctx = f.engine.delivering(ctx)
		if err := mandate.Of(ctx, nil).MayBegin(ctx); err != nil || ctx.Err() != nil {
			t.Errorf("it may not begin: %v, %v", err, ctx.Err())
		}
	})
}

// silentTerm is a term whose lease is confirmed, and of which nothing else can be learnt.
type silentTerm struct{}

func (silentTerm) MayAct() error { return nil }

func (silentTerm) Prove(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
