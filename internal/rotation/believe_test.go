package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// A process ran under a clock that was a year ahead; the next one has the right time.
func TestNothingThatAWrongClockJournalledHoldsASlotUp(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 1)
			right := w.now
			w.now = right.Add(365 * 24 * time.Hour)
			w.start()
			w.run(25 * time.Hour) // in a grace
			w.ask(false)
			w.sinks["sink0"].down = true
			w.ask(false)
			w.run(time.Minute)
			w.restart(func() { w.now, w.sinks["sink0"].down = right, false })
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

func TestWhatIsFurtherAheadThanItsRuleReachesIsTakenBackToNow(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) slot.Timestamp { return slot.TimestampOf(now.Add(d)) }
	clock := slot.Reading{Boot: "one", Elapsed: time.Hour}
	p := &slot.Plan{Policy: &slot.Policy{}, Schedule: every(time.Hour)}
	for _, c := range []struct{ ahead, met, retire, other time.Duration }{
		{-time.Minute, -time.Minute, -time.Minute, -time.Minute},
		{time.Second, time.Second, time.Second, 0}, // a clock may be a little fast
		{time.Hour, time.Hour, time.Hour, 0},
		{time.Hour + 1, 0, time.Hour, 0},
		{24 * time.Hour, 0, time.Hour, 0},
	} {
		r := &slot.Record{
			FirstSeen: at(c.ahead), ScheduledThrough: at(c.ahead), Request: &slot.Request{At: now.Add(c.ahead)}, Orphans: []slot.Orphan{{At: now.Add(c.ahead)}},
			PendingMint: &slot.Rotation{Started: at(c.ahead), Instant: at(c.ahead)}, Rotation: &slot.Rotation{LostAt: at(c.ahead)},
			Retiring: []slot.Token{{Retire: at(c.ahead), Grace: time.Hour}},
		}
		r.ClampToPresent(p, now, clock)
		if r.ScheduledThrough != at(c.met) || r.PendingMint.Instant != at(c.met) {
			t.Errorf("%s ahead: met until %v, instant %v, want %v", c.ahead, r.ScheduledThrough.Time(), r.PendingMint.Instant.Time(), now.Add(c.met))
		}
		if r.Retiring[0].Retire != at(c.retire) {
			t.Errorf("%s ahead: the grace ends at %v, want %v", c.ahead, r.Retiring[0].Retire.Time(), now.Add(c.retire))
		}
		for name, got := range map[string]slot.Timestamp{
			"first seen": r.FirstSeen, "request": slot.TimestampOf(r.Request.At), "lost mint": slot.TimestampOf(r.Orphans[0].At),
			"start": r.PendingMint.Started, "lost call": r.Rotation.LostAt,
		} {
			if got != at(c.other) {
				t.Errorf("%s ahead: %s is at %v, want %v", c.ahead, name, got.Time(), now.Add(c.other))
			}
		}
	}
}
