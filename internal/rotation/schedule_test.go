package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// schedule has the slot rotate once in a while.
func schedule(d time.Duration) func(*slot.Plan) {
	return func(p *slot.Plan) { p.Schedule, p.Expr = every(d), "@every "+d.String() }
}

// midweek is a world whose slot rotates weekly, three days after it did.
func midweek(t *testing.T) *world {
	w := newWorld(t, moq.InPlace, 1)
	w.change(schedule(7 * day))
	w.start()
	w.run(3 * day)
	w.mustHold("value-1")
	return w
}

func (w *world) mustRotateADayLater() {
	w.t.Helper()
	w.run(day - time.Second)
	w.mustHold("value-1")
	w.run(2 * time.Second)
	w.mustHold("value-2")
	w.mustBeSound()
}

func TestAChangedScheduleCountsFromItsReload(t *testing.T) {
	w := midweek(t)
	w.change(schedule(day))
	w.mustRotateADayLater()
}

func TestAScheduleChangedWhileTheProcessWasDownCountsFromItsStart(t *testing.T) {
	w := midweek(t)
	w.restart(func() { schedule(day)(w.plan) })
	w.mustRotateADayLater()
}

func TestAChangedScheduleCountsFromItsReloadThoughTheJournalIsOfAnOlderVersion(t *testing.T) {
	w := midweek(t)
	w.restart(func() {
		older := w.disk.saved.Clone()
		older.InForce = nil
		w.disk.saved = older
	})
	saves := w.disk.saves
	w.run(time.Minute)
	if w.disk.saves != saves {
		t.Errorf("a start saved the record %d times", w.disk.saves-saves)
	}
	w.change(schedule(day))
	w.mustRotateADayLater()
}

func TestAChangedScheduleThatCouldNotBeSavedCountsFromTheNextStart(t *testing.T) {
	w := midweek(t)
	w.disk.full = true
	w.change(schedule(day))
	w.run(time.Hour)
	w.restart(func() { w.disk.full = false })
	w.mustRotateADayLater()
}

func TestWhatFailsWhenItsScheduleIsChangedStaysDue(t *testing.T) {
	w := midweek(t)
	w.sinks["sink0"].down = true
	w.run(4*day + time.Minute)
	w.change(schedule(14 * day))
	w.run(time.Hour)
	w.mustHold("value-1")
	w.sinks["sink0"].down = false
	w.run(10 * time.Minute)
	w.mustHold("value-2")
	w.mustBeSound()
}

func TestWhatIsDueAndWaitsWhenItsScheduleIsChangedStaysDueThoughAnotherInstantWasLeftOut(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.change(schedule(time.Hour))
	w.plan.CatchUp = false
	w.start()
	w.run(time.Minute)
	w.restart(func() { w.pass(90 * time.Minute) }) // an instant was missed
	w.disk.full = true
	_ = w.engine.CheckStorage()
	w.run(40 * time.Minute) // one comes due, and waits
	w.change(schedule(7 * day))
	w.makeRoom()
	w.run(time.Minute)
	w.mustHold("value-2")
	w.mustBeSound()
}
