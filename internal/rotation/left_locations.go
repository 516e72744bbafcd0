package rotation

import (
	"bytes"
	"iter"
	"slices"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// A location changes hands when a relay is made anew, two exchange their names, or a path is changed. What is there is
// ours if it is what the slot that delivered there last brought. A location that a configured slot has is in that slot's
// record; here are those that slots have left.

// leftLocations are the locations that slots have left. They are never changed; Configure makes new ones.
type leftLocations struct {
	former map[string][]*worker // by location: who delivered there, or was about to, and does so no more
	taken  map[string]bool      // those that a configured slot has now
}

// findLeftLocations finds what slots leave with the plans that are to come into force; e.slots.mu is held.
func (e *Engine) findLeftLocations(next roster) *leftLocations {
	p := &leftLocations{former: map[string][]*worker{}, taken: map[string]bool{}}
	left, known := make([][]string, len(next)), 0
	e.together.forMany(len(next), func(i int) { left[i] = next[i].slot.leaves(next[i].plan) })
	for i := range next {
		if w := next[i].slot; w != nil {
			p.add(w, left[i])
			known++
		}
	}
	if known < e.slots.size {
		p.addRemoved(e.slots.eachWorker(), next)
	}
	if len(p.former) > 0 {
		p.noteTaken(next)
	}
	return p
}

func (p *leftLocations) noteTaken(next roster) {
	for i := range next {
		for _, t := range next[i].plan.Targets {
			if p.former[t.Location] != nil {
				p.taken[t.Location] = true
			}
		}
	}
}

// addRemoved adds those of slots that have no plan any more.
func (p *leftLocations) addRemoved(slots iter.Seq[*worker], next roster) {
	planned := make(map[*worker]bool, len(next))
	for i := range next {
		planned[next[i].slot] = true
	}
	for w := range slots {
		if !planned[w] {
			p.add(w, w.leaves(nil))
		}
	}
}

func (p *leftLocations) add(w *worker, left []string) {
	for _, location := range left {
		p.former[location] = append(p.former[location], w)
	}
}

// leaves returns the locations that the slot leaves with a plan, where it delivered or is about to; nil: it leaves the
// configuration. A slot that was not known leaves none.
func (w *worker) leaves(plan *slot.Plan) (left []string) {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	leave := func(location string) {
		if !plan.Delivers(location) && !slices.Contains(left, location) {
			left = append(left, location)
		}
	}
	for i := range w.record.Receipts {
		leave(w.record.Receipts[i].Location)
	}
	if rot := w.record.PendingOrLatest(); rot != nil {
		for _, t := range rot.Targets {
			leave(t.Location)
		}
	}
	return left
}

// isDelivered reports whether a content at one of the slot's targets is what was delivered there last, by whichever slot,
// or may have been.
func (w *worker) isDelivered(t slot.Target, content secret.Value) bool {
	last, whose := w.receipt(t), w
	for _, other := range w.engine.left.Load().former[t.Location] {
		if other == w {
			continue
		}
		if other.mayHaveWritten(t, content) {
			return true
		}
		if rc := other.receipt(t); rc.RotationID != "" && rc.At > last.At {
			last, whose = rc, other
		}
	}
	return last.Matches(whose.digest(content)) || w.mayHaveWritten(t, content)
}

// mayHaveWritten reports whether a content may be what a write of the slot brought whose outcome is not known.
func (w *worker) mayHaveWritten(t slot.Target, content secret.Value) bool {
	digest := w.digest(content)
	var known bool
	w.locked(func() {
		unacknowledged := w.notes != nil && bytes.Equal(w.notes.unacknowledged.At(t.Location), digest)
		known = unacknowledged || w.record.MayHaveWritten(t.Location, digest)
	})
	return known || w.wroteContent(t, sinks.Holding{Known: true, Exists: true, Content: content})
}

// digestsAtFormerTargets are the digests of what targets that left the slot may hold of a value, before that is forgotten: one of
// them may be another slot's by now.
func (w *worker) digestsAtFormerTargets(rot *slot.Rotation) (out [][]byte) {
	var former []slot.Target
	w.locked(func() {
		v := w.view()
		former = slices.DeleteFunc(slices.Clone(rot.Targets), func(t slot.Target) bool {
			return v.Delivers(rot, t.Location) || w.record.Receipts.At(t.Location).MayHold != rot.ID
		})
	})
	if len(former) == 0 {
		return nil
	}
	rec, _, err := w.recordToDeliver()
	if err != nil {
		return nil // nothing was delivered by this process, then
	}
	for _, t := range former {
		if _, content, err := w.render(t, rec); err == nil {
			out = append(out, w.digest(content))
		}
	}
	return out
}
