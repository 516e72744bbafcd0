package rotation

import (
	"bytes"
	"iter"
	"slices"

	"github.com/rotatord/rotatord/internal/moq"
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

// findLeftLocations finds what slots leave with the plans that are to come into force, whose workers are given, too;
// e.slots.mu is held.
func (e *Engine) findLeftLocations(plans []*slot.Plan, workers []*worker) *leftLocations {
	p := &leftLocations{former: map[string][]*worker{}, taken: map[string]bool{}}
	kept := 0
	for i, plan := range plans {
		if w := workers[i]; w != nil {
			p.addLeft(w, plan)
			kept++
		}
	}
	if kept < e.slots.size {
		p.addRemoved(e.slots.eachWorker(), plans)
	}
	for _, plan := range plans {
		for _, t := range plan.Targets {
			if p.former[t.Location] != nil {
				p.taken[t.Location] = true
			}
		}
	}
	return p
}

// addRemoved adds those of slots that have no plan any more.
func (p *leftLocations) addRemoved(slots iter.Seq[*worker], plans []*slot.Plan) {
	planned := make(map[moq.Key]bool, len(plans))
	for _, plan := range plans {
		planned[plan.Key] = true
	}
	for w := range slots {
		if !planned[w.record.Key] {
			p.addLeft(w, nil)
		}
	}
}

// addLeft adds the locations that a slot leaves with a plan, where it delivered or is about to; nil: it leaves the
// configuration.
func (p *leftLocations) addLeft(w *worker, plan *slot.Plan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.record.Receipts {
		p.addLocation(w.record.Receipts[i].Location, w, plan)
	}
	if rot := w.record.PendingOrLatest(); rot != nil {
		for _, t := range rot.Targets {
			p.addLocation(t.Location, w, plan)
		}
	}
}

func (p *leftLocations) addLocation(location string, w *worker, plan *slot.Plan) {
	if !plan.Delivers(location) && !slices.Contains(p.former[location], w) {
		p.former[location] = append(p.former[location], w)
	}
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
