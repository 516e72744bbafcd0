package rotation

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/slot"
)

// Where replicas take turns, the engine works for one term. What has begun nothing yet when the term ends, or when its
// lease is not confirmed in time, begins nothing; that is nobody's failure, and the next leader goes on from the journal.

const (
	proofLasts    = time.Second // that the term goes on, for a call that changes something
	proofPatience = time.Second // how long a delivery waits for a proof that cannot be had; the lease has to do then
	confirmedSoon = time.Second // when it is asked again whether the lease is confirmed
	clocksAgree   = 5 * time.Second
)

// termGuard is whether the engine may act: always, where nobody else can lead. It is safe for concurrent use.
type termGuard struct {
	options  *Options     // their Term, Clock and LeaderClock
	life     *lifetime    // of the calls that may be made while it lasts
	fencedAt atomic.Int64 // elapsed time at which the latest save that succeeded began; 0: none did
}

func newTermGuard(o *Options) *termGuard {
	g := &termGuard{options: o}
	g.life = newLifetime(g.mayLead)
	return g
}

// haltsFor reports whether an error of the journal says that the term is over, or that what memory knows is not what is
// kept; then the engine halts.
func (g *termGuard) haltsFor(err error) bool {
	if g.options.Term == nil || err == nil || fault.Of(err).Reason != fault.Conflict {
		return false
	}
	g.life.halt()
	return true
}

// mayLead returns nil as long as nobody else can lead.
func (g *termGuard) mayLead() error {
	if g.options.Term == nil {
		return nil
	}
	if g.life.isHalted() {
		return errHalted
	}
	return g.options.Term.MayAct()
}

var errHalted = errors.New("the term is over")

// changing returns ctx for a call that changes something: right before it leaves, whatever it waited for till then, the
// term is proven.
func (g *termGuard) changing(ctx context.Context) context.Context {
	return g.provingBy(ctx, g.proveTerm)
}

// delivering is changing for a delivery, which goes on as long as the lease is confirmed, though the store does not
// answer: for that it waits once.
func (g *termGuard) delivering(ctx context.Context) context.Context {
	var unanswered atomic.Bool
	return g.provingBy(ctx, func(ctx context.Context) error {
		if unanswered.Load() {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, patienceWithin(ctx))
		defer cancel()
		unanswered.Store(g.proveTerm(ctx) != nil)
		return nil // whether the lease is confirmed is asked next
	})
}

// patienceWithin is how long a call waits for a proof that cannot be had: of its own time, most is left for what it is to do.
func patienceWithin(ctx context.Context) time.Duration {
	if end, ends := ctx.Deadline(); ends {
		return min(proofPatience, time.Until(end)/3)
	}
	return proofPatience
}

func (g *termGuard) provingBy(ctx context.Context, proof func(context.Context) error) context.Context {
	if g.options.Term == nil {
		return ctx
	}
	return mandate.With(ctx, mandate.Mandate{Lasts: g.mayLead, Proof: proof})
}

// proveTerm returns nil if the term surely goes on: a save succeeded within the last second, or the store said so.
func (g *termGuard) proveTerm(ctx context.Context) error {
	if at := time.Duration(g.fencedAt.Load()); at > 0 && g.options.Clock.Elapsed().Elapsed-at < proofLasts {
		return nil
	}
	return g.options.Term.Prove(ctx)
}

// noteFenced notes that a save that began at a time of the elapsed-time clock succeeded, which proves the term until then.
func (g *termGuard) noteFenced(began time.Duration) {
	for at := g.fencedAt.Load(); int64(began) > at && !g.fencedAt.CompareAndSwap(at, int64(began)); at = g.fencedAt.Load() {
	}
}

// clockAgrees reports whether our clock is as good as the same as the former leader's.
func (g *termGuard) clockAgrees() bool {
	former, clock := g.options.LeaderClock, g.options.Clock
	if former.Wall.IsZero() {
		return false
	}
	theirs := former.Wall.Add(clock.Elapsed().Elapsed - former.Heard)
	return clock.Now().Round(0).Sub(theirs).Abs() <= clocksAgree
}

// mayBegin reports whether an action may be carried out now; if not, until is when to ask
// again; zero: never.
func (e *Engine) mayBegin(a slot.Action) (may bool, until time.Time) {
	if !e.mayCarryOut(a) {
		return false, time.Time{}
	}
	if _, saves := a.(slot.Save); !saves && e.mayLead() != nil {
		return false, e.now().Add(confirmedSoon)
	}
	return true, time.Time{}
}
