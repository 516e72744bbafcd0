package cf

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// IdlePace computes when a budget lets routine calls through, if nobody else uses it and every
// call is answered at once: a Budget without clocks, by which `rotatord check` computes backlogs beforehand. It
// is not safe for concurrent use.
type IdlePace struct {
	per, interval time.Duration
	tolerance     time.Duration   // what a burst may run ahead
	due           time.Duration   // when the next call is due, were there no bursts
	window        int             // how many calls one window may hold
	grants        []time.Duration // the latest, as many as that: a ring
	next          int
}

// NewIdlePace returns the pace of an idle NewBudget(requests, per, share); requests must be greater than 0.
func NewIdlePace(requests int, per time.Duration, share float64) *IdlePace {
	b := NewBudget(requests, per, share)
	return &IdlePace{
		per: b.per, interval: b.paceInterval(), tolerance: time.Duration(b.burstSize()-1) * b.paceInterval(),
		window: b.limitFor(moq.Routine),
	}
}

// PerDay is how many routine calls the budget takes a day.
func (p *IdlePace) PerDay() float64 {
	return float64(p.window) * float64(24*time.Hour) / float64(p.per)
}

// RevocationPatience is how many calls pass a revocation that waits before it has its turn.
const RevocationPatience = patience

// IsRested reports whether at the time at the budget has a whole burst to give.
func (p *IdlePace) IsRested(at time.Duration) bool { return p.due <= at }

// Earliest returns when a call may go that is made at the time at, measured from any instant.
func (p *IdlePace) Earliest(at time.Duration) time.Duration {
	at = max(at, p.due-p.tolerance)
	if len(p.grants) == p.window {
		at = max(at, p.grants[p.next]+p.per)
	}
	return at
}

// Grant lets a call go that is made at the time at, and returns when. Calls are to be given in the
// order in which they go.
func (p *IdlePace) Grant(at time.Duration) time.Duration {
	at = p.Earliest(at)
	if len(p.grants) == p.window {
		p.grants[p.next] = at
		p.next = (p.next + 1) % len(p.grants)
	} else {
		p.grants = append(p.grants, at)
	}
	p.due = max(p.due, at) + p.interval
	return at
}
