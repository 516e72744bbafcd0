package rotation

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// toldTime is what answers have told a process of Cloudflare's time. In true time.
type toldTime struct {
	first, last time.Duration
	any, counts bool
}

// note takes in a sample. The time counts once two agree that are ten seconds apart.
func (t *toldTime) note(at time.Duration) {
	if !t.any {
		t.any, t.first = true, at
	}
	t.counts = t.counts || at-t.first >= 10*time.Second
	t.last = at
}

// tellTime is what package cf tells of Cloudflare's time.
func (w *world) tellTime() moq.CloudflareTime {
	if !w.told.counts || w.timeless {
		return moq.CloudflareTime{}
	}
	return moq.CloudflareTime{Now: w.theirs(), SampleAge: w.truth() - w.told.last}
}

// askForTime is what the daemon does beside the engine, until the time counts.
func (w *world) askForTime() {
	if !w.told.counts && !w.relay.down && w.relay.portal("list", 0) == nil {
		w.told.note(w.truth())
	}
}

// setClock is a moment at which somebody may set the wall clock; the daemon notices that a little later.
func (w *world) setClock() (set bool) {
	if w.sane || w.steps == 0 || w.dead {
		return false
	}
	w.called[clockCall]++
	c := choice{kind: clockCall, number: w.called[clockCall], lives: len(calls[clockCall].outcomes)}
	c.taken = w.choose(c)
	w.traceCall(c, "")
	if c.taken == 0 {
		return false
	}
	w.steps--
	w.step(c.option(c.taken).step)
	return true
}

// step sets the wall clock.
func (w *world) step(d time.Duration) {
	w.now = w.now.Add(d)
	if !w.dead {
		w.queue = append(w.queue, w.engine.ClockStepped)
	}
}

// setRight sets the wall clock right.
func (w *world) setRight() {
	if wrong := w.now.Sub(w.theirs()); wrong != 0 {
		w.step(-wrong)
	}
	w.settle()
}
