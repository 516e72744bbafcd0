package cf

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// paceInterval is the distance of routine requests once a burst is spent.
func (b *Budget) paceInterval() time.Duration {
	return b.per / time.Duration(max(1, b.limitFor(moq.Routine)))
}

func (b *Budget) burstSize() int {
	if b.isNewTerm() {
		return 1
	}
	n := b.windowQuota()
	burst := max(min(n/5, maxBurst), min(n, usefulBurst), int(float64(n)/b.per.Seconds()))
	if b.policy.burst > 0 {
		burst = min(burst, b.policy.burst)
	}
	return burst
}

// paceAllows says when the next routine request is due. It is never further away than
// one interval, whatever urgent requests or a smaller limit ran up before.
func (b *Budget) paceAllows(now time.Time) time.Time {
	tolerance := time.Duration(b.burstSize()-1) * b.paceInterval()
	if latest := now.Add(tolerance + b.paceInterval()); b.nextPaced.After(latest) {
		b.nextPaced = latest
	}
	return b.nextPaced.Add(-tolerance)
}

// refundPace takes back a grant's charge against the pace: nothing was sent for it.
func (b *Budget) refundPace() { b.nextPaced = b.nextPaced.Add(-b.paceInterval()) }
