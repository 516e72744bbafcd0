package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// A process ran under a clock that was a year ahead; the next one has the right time.
func TestNothingThatAWrongClockJournalledHoldsASlotUp(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 1)
			w.now = w.now.Add(365 * 24 * time.Hour)
			w.start()
			w.run(25 * time.Hour) // in a grace
			w.ask(false)
			w.sinks["sink0"].down = true
			w.ask(false)
			w.run(time.Minute)
			w.restart(func() { w.now, w.sinks["sink0"].down = w.theirs(), false })
			w.run(time.Second)
			if r := w.rec(); r.Failure != nil || r.Request != nil {
				t.Fatalf("the request is not met: %+v, %+v", r.Failure, r.Request)
			}
			mints := w.relay.creates + w.relay.rotates
			w.run(25 * time.Hour)
			if n := w.relay.creates + w.relay.rotates - mints; n != 1 {
				t.Errorf("%d rotations in the day after the clock was set right, want 1", n)
			}
			w.run(3 * time.Hour)
			if own := w.relay.own(); strategy == moq.Overlap && len(own) != 1 {
				t.Errorf("%d tokens are left, want the graces ended: %s", len(own), w.describe())
			}
			w.mustBeSound()
		})
	}
}
