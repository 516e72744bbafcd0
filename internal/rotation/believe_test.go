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
	at := func(d time.Duration) Moment { return MomentOf(now.Add(d)) }
	clock := Reading{Boot: "one", Elapsed: time.Hour}
	p := &Plan{Policy: &Policy{}, Schedule: every(time.Hour)}
	for _, c := range []struct{ ahead, met, retire, other time.Duration }{
		{-time.Minute, -time.Minute, -time.Minute, -time.Minute},
		{time.Second, time.Second, time.Second, 0}, // a clock may be a little fast
		{time.Hour, time.Hour, time.Hour, 0},
		{time.Hour + 1, 0, time.Hour, 0},
		{24 * time.Hour, 0, time.Hour, 0},
	} {
		r := &Record{
			FirstSeen: at(c.ahead), Met: at(c.ahead), Request: &Request{At: now.Add(c.ahead)}, Lost: []LostMint{{At: now.Add(c.ahead)}},
			Attempt: &Rotation{Started: at(c.ahead), Instant: at(c.ahead)}, Rotation: &Rotation{LostAt: at(c.ahead)},
			Old: []Token{{Retire: at(c.ahead), Grace: time.Hour}},
		}
		r.disbelieve(p, now, clock)
		if r.Met != at(c.met) || r.Attempt.Instant != at(c.met) {
			t.Errorf("%s ahead: met until %v, instant %v, want %v", c.ahead, r.Met.Time(), r.Attempt.Instant.Time(), now.Add(c.met))
		}
		if r.Old[0].Retire != at(c.retire) {
			t.Errorf("%s ahead: the grace ends at %v, want %v", c.ahead, r.Old[0].Retire.Time(), now.Add(c.retire))
		}
		for name, got := range map[string]Moment{
			"first seen": r.FirstSeen, "request": MomentOf(r.Request.At), "lost mint": MomentOf(r.Lost[0].At),
			"start": r.Attempt.Started, "lost call": r.Rotation.LostAt,
		} {
			if got != at(c.other) {
				t.Errorf("%s ahead: %s is at %v, want %v", c.ahead, name, got.Time(), now.Add(c.other))
			}
		}
	}
}
