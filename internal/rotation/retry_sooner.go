package rotation

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// retrySoonerFor has what a slot leaves undone because of p be tried at once, or as soon as
// the gap since that was last so allows; false when nothing waits for p.
func (w *worker) retrySoonerFor(p upstream) bool {
	var freed bool
	w.locked(func() { freed = w.retrySooner(w.engine.now(), w.engine.outages.elapsed(), p) })
	if freed {
		w.wake()
	}
	return freed
}

// retrySooner moves up what the slot leaves undone because of p, and reports whether there is anything; m.mu is held.
func (m *memory) retrySooner(now time.Time, clock time.Duration, p upstream) bool {
	o := m.ensureNotes()
	wait := time.Duration(0)
	if o.retriedSoonerAt > 0 {
		wait = max(0, o.retriedSoonerAt+retryGap-clock)
	}
	forP := func(k blame) bool { return k.down && k.upstream == p }
	if !m.bringForward(now.Add(wait), func(blames []blame) bool { return slices.ContainsFunc(blames, forP) }) {
		return false
	}
	o.retriedSoonerAt = clock + wait
	return true
}

// bringForward moves up to at whatever waits for longer and is chosen by what it waits
// for. What was seen of the targets is forgotten: it led to the wait. m.mu is held.
func (m *memory) bringForward(at time.Time, chosen func([]blame) bool) (moved bool) {
	if m.record.Failure == nil && m.notes == nil {
		return false
	}
	o := m.ensureNotes()
	if f := m.record.Failure; f != nil && f.Next.After(at) && chosen(o.blames) {
		sooner := *f
		sooner.Next = at
		m.record.Failure, moved = &sooner, true
	}
	if next := slot.TimestampOf(at); o.NextRetirement > next && chosen(o.retirementBlames) {
		o.NextRetirement, o.NextReclaim, moved = next, next, true
	}
	for i := range o.NextOptional {
		if p := &o.NextOptional[i]; p.Value.Time().After(at) && chosen(o.optionalBlames.At(p.Location)) {
			p.Value, moved = slot.TimestampOf(at), true
		}
	}
	if moved {
		m.forgetInspections()
	}
	return moved
}

// resumeWaits makes slots whose failures are older than this process wait for those who
// may be to blame, and sends one ahead for each of these.
func (e *Engine) resumeWaits() {
	blamed := map[upstream]bool{}
	for _, w := range e.slots.allWorkers() {
		var blames []blame
		w.locked(func() {
			if blames = w.suspectedUpstreams(); len(blames) > 0 {
				w.ensureNotes().blames = blames
			}
		})
		w.awaitUpstreams(blames)
		for _, k := range blames {
			blamed[k.upstream] = true
		}
	}
	for p := range blamed {
		e.outages.sendAhead(p)
	}
}

// suspectedUpstreams are those for which a slot that the journal says is failing may wait. m.mu is held.
func (m *memory) suspectedUpstreams() (out []blame) {
	f := m.record.Failure
	if f == nil || upstreamStateOf(&fault.Error{Reason: fault.Reason(f.Reason)}) != down {
		return nil
	}
	if f.Sink != "" {
		return []blame{{upstream{name: f.Sink}, true, 0}}
	}
	out = []blame{{upstream{account: true, name: m.record.Key.AccountID}, true, 0}}
	if m.plan == nil || f.Stage == slot.StageMint {
		return out
	}
	for _, t := range slot.RequiredOf(m.plan.Targets) {
		out = append(out, blame{upstream{name: t.Sink}, true, 0})
	}
	return out
}
