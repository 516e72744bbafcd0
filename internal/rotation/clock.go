package rotation

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// ClockStepped tells that somebody set the wall clock: what was armed by it is armed anew, and targets are
// looked at again. activeSince must not lie ahead of a clock that was set back: instants yet to come would count as
// missed.
func (e *Engine) ClockStepped() {
	now := e.now()
	present := int64(slot.TimestampOf(now))
	if since := e.activeSince.Load(); since > present {
		e.activeSince.CompareAndSwap(since, present)
	}
	for _, w := range e.slots.allWorkers() {
		w.locked(func() { w.forgetSeen(slot.Timestamp(present)) })
	}
	e.lookAgain(now)
}

// forgetSeen makes as if nothing had been seen that is good for a while: it may be older than it looks. m.mu is held.
func (m *memory) forgetSeen(now slot.Timestamp) {
	m.forgetInspections()
	if o := m.notes; o != nil {
		o.TakeBack(now)
		o.Listing, o.NotGoneAt = nil, 0
	}
}

// reading is the present moment on the elapsed-time clock, and on Cloudflare's.
func (w *worker) reading() slot.Reading { return w.times().Clock }

func (w *worker) times() slot.Times { return w.engine.timesFor(w.record.Key.AccountID) }

// timesFor are what the clocks tell at this moment, Cloudflare's by an account's answers.
func (e *Engine) timesFor(accountID string) slot.Times {
	clock, cloudflare := e.Clock.Elapsed(), e.cloudflareTime(accountID)
	clock.Cloudflare = slot.TimestampOf(cloudflare.Now)
	return slot.Times{
		Now: e.now(), Clock: clock, Start: e.began, Cloudflare: cloudflare,
		TakenOver: e.TakeOver, ClockAgrees: e.clockAgrees(),
	}
}

// passedSince is how much time has passed since a moment, which the wall clock told as at.
func (w *worker) passedSince(before slot.Reading, at slot.Timestamp) time.Duration {
	if d, ok := w.engine.Clock.Elapsed().Since(before); ok {
		return d
	}
	return max(0, w.engine.now().Sub(at.Time()))
}

// takeBack takes back what a wall clock that was wrong put further ahead than it can be.
func (w *worker) takeBack(a slot.TakeBack) {
	w.updateRecord(func(r *slot.Record) { r.TakeBack(a.Bounds) })
	w.log().Info("a clock that was ahead noted times of the slot that cannot be: they count as now")
}

// cloudflareTime is what an account's answers tell of Cloudflare's time.
func (e *Engine) cloudflareTime(accountID string) moq.CloudflareTime {
	accounts := e.backends.Load().accounts
	if accounts == nil {
		return moq.CloudflareTime{}
	}
	if cf, ok := accounts.Account(accountID); ok {
		return cf.Time()
	}
	return moq.CloudflareTime{}
}

// isClockUnset reports whether the wall clock cannot be right, as after a start without a battery, and the account has not
// told the time yet.
func (e *Engine) isClockUnset(accountID string) bool {
	return e.now().Before(e.BuiltAt) && e.cloudflareTime(accountID).Now.IsZero()
}

// Resumed tells that the process stood still until now, on a machine that was suspended. What came due before
// now, the pause's or not, counts as missed.
func (e *Engine) Resumed() {
	now := e.now()
	e.activeSince.Store(int64(slot.TimestampOf(now)))
	e.lookAgain(now)
}

// lookAgain decides anew what each slot has to do, its targets seen anew.
func (e *Engine) lookAgain(now time.Time) {
	for _, w := range e.slots.allWorkers() {
		w.locked(func() { w.nextCheck = slot.TimestampOf(now) })
	}
	e.WakeAll()
}
