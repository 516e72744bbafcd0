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

// haltsFor reports whether an error of the journal says that the term is over, or that what memory knows is not what is
// kept; then the engine halts.
func (e *Engine) haltsFor(err error) bool {
	if e.Term == nil || err == nil || fault.Of(err).Reason != fault.Conflict {
		return false
	}
	e.Halt()
	return true
}

// mayLead returns nil as long as nobody else can lead.
func (e *Engine) mayLead() error {
	if e.Term == nil {
		return nil
	}
	if e.isHalted() {
		return errHalted
	}
	return e.Term.MayAct()
}

var errHalted = errors.New("the term is over")

// changing returns ctx for a call that changes something: right before it leaves, whatever it waited for till then, the
// term is proven.
func (e *Engine) changing(ctx context.Context) context.Context { return e.provingBy(ctx, e.proveTerm) }

// delivering is changing for a delivery, which goes on as long as the lease is confirmed, though the store does not
// answer: for that it waits once.
func (e *Engine) delivering(ctx context.Context) context.Context {
	var unanswered atomic.Bool
	return e.provingBy(ctx, func(ctx context.Context) error {
		if unanswered.Load() {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, patienceWithin(ctx))
		defer cancel()
		unanswered.Store(e.proveTerm(ctx) != nil)
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

func (e *Engine) provingBy(ctx context.Context, proof func(context.Context) error) context.Context {
	if e.Term == nil {
		return ctx
	}
	return mandate.With(ctx, mandate.Mandate{Lasts: e.mayLead, Proof: proof})
}

// proveTerm returns nil if the term surely goes on: a save succeeded within the last second, or the store said so.
func (e *Engine) proveTerm(ctx context.Context) error {
	if at := time.Duration(e.fencedAt.Load()); at > 0 && e.Clock.Elapsed().Elapsed-at < proofLasts {
		return nil
	}
	return e.Term.Prove(ctx)
}

// noteFenced notes that a save that began at a time of the elapsed-time clock succeeded, which proves the term until then.
func (e *Engine) noteFenced(began time.Duration) {
	for at := e.fencedAt.Load(); int64(began) > at && !e.fencedAt.CompareAndSwap(at, int64(began)); at = e.fencedAt.Load() {
	}
}

// clockAgrees reports whether our clock is as good as the same as the former leader's.
func (e *Engine) clockAgrees() bool {
	c := e.LeaderClock
	if c.Wall.IsZero() {
		return false
	}
	theirs := c.Wall.Add(e.Clock.Elapsed().Elapsed - c.Heard)
	return e.now().Sub(theirs).Abs() <= clocksAgree
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
