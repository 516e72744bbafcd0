package rotation

import (
	"context"
	"errors"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// Where replicas take turns, the engine works for one term. What has begun nothing yet when the term ends, or when its
// lease is not confirmed in time, begins nothing; that is nobody's failure, and the next leader goes on from the journal.

const (
	proofLasts    = time.Second // that the term goes on, for a call that changes something
	proofPatience = time.Second // how long a write waits for a proof that cannot be had; the lease has to do then
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

// errHeldBack says that a call was not sent, since another replica may lead. It is nobody's failure.
var errHeldBack = errors.New("another replica may lead")

func heldBack(op string, err error) error {
	return &fault.Error{
		Class: fault.Retry, Reason: fault.Conflict, Op: op, Unsent: true, Err: errors.Join(errHeldBack, err),
		Hint: "the leader does it",
	}
}

// proveTerm returns nil if the term surely goes on: a save succeeded within the last second, or the store said so.
func (e *Engine) proveTerm(ctx context.Context, op string) error {
	if e.Term == nil {
		return nil
	}
	if err := e.mayLead(); err != nil {
		return heldBack(op, err)
	}
	if at := time.Duration(e.fencedAt.Load()); at > 0 && e.Clock.Elapsed().Elapsed-at < proofLasts {
		return nil
	}
	if err := e.Term.Prove(ctx); err != nil {
		return heldBack(op, err)
	}
	return nil
}

// proveWrite is proveTerm for a delivery, which goes on as long as the lease is confirmed, though the store does not
// answer.
func (e *Engine) proveWrite(ctx context.Context) error {
	if e.Term == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, proofPatience)
	defer cancel()
	err := e.proveTerm(ctx, "deliver")
	if err != nil && e.mayLead() == nil {
		return nil
	}
	return err
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
