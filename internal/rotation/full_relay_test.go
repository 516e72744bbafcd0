package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// fullWorld has a relay whose two places are taken: by a token of somebody else's, and by the slot's own.
func fullWorld(t *testing.T) *world {
	w := newWorld(t, moq.Overlap, 1)
	w.relay.limit = 2
	w.start()
	w.run(10 * time.Minute)
	return w
}

func (w *world) mustWaitForAPlace() {
	w.t.Helper()
	s := w.status()
	if s.State != slot.StateIdle || s.ConsecutiveFailures > 0 || s.Overdue || w.stats.failure > 0 {
		w.t.Errorf("the slot is %s after %d failures (overdue: %t, %d failed rotations): it only waits", s.State, s.ConsecutiveFailures, s.Overdue, w.stats.failure)
	}
	if w.stats.steps[slot.StageMint] == 0 {
		w.t.Error("no refused call was counted")
	}
	if wait := s.WaitsUntil.Sub(w.now); wait <= 0 || wait > 5*time.Minute {
		w.t.Errorf("it says that it waits for %s", wait)
	}
	for _, want := range []string{"the relay is full", foreignToken + " (no label", s.TokenID + " (live/subscribe", "tokens prune"} {
		if !contains(s.Note, want) {
			w.t.Errorf("the note %q does not say %q", s.Note, want)
		}
	}
}

func TestAFullRelayIsWaitedFor(t *testing.T) {
	w := fullWorld(t)
	w.ask(false)
	w.run(20 * time.Minute)
	w.mustWaitForAPlace()
	w.restart(func() {})
	w.run(20 * time.Minute)
	w.mustWaitForAPlace()

	w.relay.limit = 3
	w.run(5 * time.Minute)
	if s := w.status(); !s.Requested.IsZero() || s.Note != "" || !s.WaitsUntil.IsZero() {
		t.Errorf("when there was a place, the slot was %+v", s)
	}
}

func TestAFullRelayIsAFailureOnceTheSlotIsOverdue(t *testing.T) {
	w := fullWorld(t)
	w.run(24*time.Hour - w.elapsed() + 59*time.Second)
	w.mustWaitForAPlace()
	w.run(5 * time.Second)
	s := w.status()
	if s.State != slot.StateFailing || !s.Overdue || s.Failure == nil || s.Failure.Reason != "full" || !contains(s.Failure.Message, foreignToken) {
		t.Errorf("the slot is %s, overdue: %t, failure %+v", s.State, s.Overdue, s.Failure)
	}
	w.relay.limit = 3
	w.run(5 * time.Minute)
	if s := w.status(); s.ConsecutiveFailures > 0 || s.Overdue {
		t.Errorf("when there was a place, the slot was %s: %+v", s.State, s.Failure)
	}
}

func TestAFailureBeforeTheWaitForAPlaceIsToldNoLonger(t *testing.T) {
	w := fullWorld(t)
	w.sinks["sink0"].down = true
	w.ask(false)
	w.run(time.Minute)
	if w.status().ConsecutiveFailures == 0 {
		t.Fatal("a sink that is down is no failure")
	}
	w.sinks["sink0"].down = false
	w.run(5 * time.Minute)
	if s := w.status(); s.ConsecutiveFailures > 0 || s.State != slot.StateIdle || w.disk.saved.Failure != nil {
		t.Errorf("the slot that waits for a place is %s: %+v", s.State, s.Failure)
	}
}
