package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// neverRotated is a world whose slot was seen long ago, and had no reason to rotate so far.
func neverRotated(t *testing.T) *world {
	w := newWorld(t, moq.Overlap, 1)
	w.change(func(p *slot.Plan) { p.Schedule, p.Initial = nil, slot.InitialSchedule })
	w.start()
	w.run(10 * day)
	return w
}

func atOnce(p *slot.Plan) { p.Initial = slot.InitialNow }

func TestAFirstRotationThatAReloadAsksForIsDueSinceThen(t *testing.T) {
	w := neverRotated(t)
	w.sinks["sink0"].down = true
	asked := w.now
	w.change(atOnce)
	if s := w.status(); s.Overdue || !s.NextRotation.Equal(asked) {
		t.Errorf("it is due since %s, overdue: %t", s.NextRotation, s.Overdue)
	}
	w.run(2 * time.Minute)
	w.restart(func() {})
	if s := w.status(); !s.Overdue || !s.OverdueSince.Equal(asked) {
		t.Errorf("two minutes later it is overdue since %s", s.OverdueSince)
	}
}

func TestSinceWhenAFirstRotationIsDueIsDurableBeforeItBegins(t *testing.T) {
	w := neverRotated(t)
	w.timeless = true
	w.restart(func() {})
	w.engine.BuiltAt = w.now.Add(time.Hour) // nothing is started by a clock that was never set
	asked := w.now
	w.change(atOnce)
	w.run(time.Minute)
	if r := w.disk.saved; !r.InitialSince.Time().Equal(asked) || r.PendingMint != nil {
		t.Errorf("the journal has %+v", r)
	}
}
