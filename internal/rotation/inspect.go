package rotation

import (
	"crypto/hmac"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// inspect sees what targets hold, side by side, and notes what differs from what
// was delivered there. Optional ones are looked at on the side, waiting for none.
func (w *worker) inspect(a slot.Inspect) {
	read := w.readsBack()
	for _, t := range a.Targets {
		if !t.Required {
			w.inspectOptional(t, a.Depth, read)
		}
	}
	targets := slot.RequiredOf(a.Targets)
	looks := make([]slot.Inspection, len(targets))
	w.engine.together(len(looks), func(i int) { looks[i] = w.inspectTarget(targets[i], a.Depth, read) })

	first, changed := w.noteInspections(targets, looks, a.Depth)
	w.tellHealth(changed)
	if first && w.engine.uninspected.Add(-1) == 0 && w.engine.claims.hasAny() {
		w.engine.WakeAll() // some may wait for it; while this one runs, so that nobody takes all for done
	}
}

// noteInspections keeps looks at required targets, but for those that were held back, which say nothing of a target. Only
// looks at all of them count as having looked at the slot; first: others may have waited for that.
func (w *worker) noteInspections(targets []slot.Target, looks []slot.Inspection, d slot.Depth) (first bool, changed []healthChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := 0
	for i, t := range targets {
		if !fault.IsHeldBack(looks[i].Err) {
			changed = append(changed, w.noteInspection(t, looks[i])...)
			made++
		}
	}
	if d < slot.DepthProbe || w.plan == nil || made < len(slot.RequiredOf(w.plan.Targets)) {
		return false, changed
	}
	first = w.inspected == awaited
	w.inspected = wasInspected
	if !w.record.Unfinished() && w.record.PendingMint == nil { // else drift is not noted
		v := w.view()
		w.nextCheck = slot.TimestampOf(v.Now.Add(v.NextLook()))
	}
	return first, changed
}

func (w *worker) readsBack() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	return v.Verifies()
}

// inspectOptional looks at an optional target on the side, once at a time. What is
// delivered there meanwhile makes the look worthless.
func (w *worker) inspectOptional(t slot.Target, depth slot.Depth, read bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ensureNotes().InspectingOptional.At(t.Location) {
		return
	}
	w.ensureNotes().InspectingOptional.Set(t.Location, true)
	before := w.record.Receipts.At(t.Location).RotationID
	w.engine.spawn(func() {
		l := w.inspectTarget(t, depth, read)
		if l.Err != nil && depth >= slot.DepthTrial && !w.engine.isCutOff() {
			w.log().Warn("an optional target is not fit for the token that comes", zap.String("sink", t.Sink),
				zap.String("target", t.Target), zap.Error(l.Err))
		}
		w.tellHealth(w.noteOptionalInspection(t, before, l))
		w.armIfIdle() // a slot that rests already need not keep the look
	})
}

func (w *worker) noteOptionalInspection(t slot.Target, before string, l slot.Inspection) []healthChange {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ensureNotes().InspectingOptional.Remove(t.Location)
	if fault.IsHeldBack(l.Err) || w.record.Receipts.At(t.Location).RotationID != before || w.ensureNotes().DeliveringOptional.At(t.Location) {
		return nil
	}
	return w.noteInspection(t, l)
}

// inspectTarget turns a bug into a failed look: it runs beside the slot's pass, too.
func (w *worker) inspectTarget(t slot.Target, depth slot.Depth, read bool) (l slot.Inspection) {
	err := sinks.Guard("look at", t.Sink+" "+t.Target, func() error {
		l = w.examineTarget(t, depth, read)
		return nil
	})
	if err != nil {
		return slot.Inspection{At: w.engine.now(), Depth: depth, Err: err}
	}
	return l
}

// examineTarget returns what a look at a target finds.
func (w *worker) examineTarget(t slot.Target, depth slot.Depth, read bool) slot.Inspection {
	sink, err := w.sink(t)
	if err != nil {
		return slot.Inspection{At: w.engine.now(), Depth: depth, Err: err}
	}
	var h sinks.Holding
	if depth >= slot.DepthProbe {
		if h, err = w.probe(sink, t, depth, read); err == nil {
			err = w.claimPlace(sink, t, claimantOf(depth), h)
		}
	} else {
		h, err = sink.Read(w.callContext(t), t.Target)
	}
	l := slot.Inspection{
		At: w.engine.now(), Depth: depth, Err: err, Known: err == nil && h.Known, Exists: h.Exists, MayBeStale: h.MayBeStale,
	}
	switch {
	case l.Known && h.Exists:
		l.Digest, l.TokenIDs, l.Ours = w.digest(h.Content), moq.TokenIDsIn(h.Content), w.isDelivered(t, h.Content)
		l.AtHand = w.isValueAtHand(sink, h.Content)
	case err == nil && depth >= slot.DepthTrial && w.rotatesInPlace():
		l.Exists, l.Digest = w.findContent(sink, t)
	}
	return l
}

// findContent reads what a target holds though nobody asks for more than an acknowledgement: if rotatord dies in the
// rotation that comes, the value that comes from the journal then is not written over a newer one.
func (w *worker) findContent(sink sinks.Sink, t slot.Target) (exists bool, digest []byte) {
	h, err := sink.Read(w.callContext(t), t.Target)
	if err != nil || !h.Known || !h.Exists {
		return false, nil
	}
	return true, w.digest(h.Content)
}

func (w *worker) rotatesInPlace() bool {
	p := w.currentPlan()
	return p != nil && p.Strategy == moq.InPlace
}

// isValueAtHand reports whether a content is of the value on its way, if an earlier process minted that.
func (w *worker) isValueAtHand(sink sinks.Sink, content secret.Value) bool {
	var judged bool
	w.locked(func() {
		v := w.view()
		judged = w.record.Unfinished() && v.NeedsJudging(w.record.Rotation)
	})
	if !judged {
		return false
	}
	rec, _, err := w.recordToDeliver()
	if err != nil {
		return false // the delivery tells of it
	}
	mine, err := sink.Render(rec)
	return err == nil && mine.Equal(content)
}

// probe finds out whether a target can be written. What works and may not be what is
// meant is told when a mint follows, so once a rotation.
func (w *worker) probe(sink sinks.Sink, t slot.Target, depth slot.Depth, read bool) (sinks.Holding, error) {
	o := sinks.ProbeOptions{Read: read, Ours: w.recognisesOurs(t)}
	if depth < slot.DepthTrial {
		return sink.Probe(w.callContext(t), t.Target, o)
	}
	record, guessed, err := w.trialRecord()
	if err != nil {
		return sinks.Holding{}, err
	}
	content, err := sink.Render(record)
	if err != nil {
		return sinks.Holding{}, err
	}
	o.Trial, o.Guessed = content, guessed
	h, err := sink.Probe(w.callContext(t), t.Target, o)
	for _, warning := range h.Warnings {
		w.log().Warn(warning, zap.String("sink", t.Sink), zap.String("target", t.Target))
	}
	return h, err
}

// recognisesOurs recognises what was last delivered to a target, or was perhaps.
func (w *worker) recognisesOurs(t slot.Target) func(secret.Value) bool {
	return func(content secret.Value) bool { return w.isDelivered(t, content) }
}

// noteInspection keeps a look, refuses a target that is somebody else's, and returns what is to be told; w.mu is held.
func (w *worker) noteInspection(t slot.Target, l slot.Inspection) []healthChange {
	if l.Err != nil && w.engine.isCutOff() {
		return nil // it shows nothing
	}
	if l.Err == nil && !t.Adopt && w.record.HoldsForeign(t, l) {
		l.Err = errForeign(t)
	}
	if rc := w.record.Receipts.At(t.Location); hmac.Equal(rc.Digest, l.Digest) {
		l.Digest = rc.Digest // one copy will do
	}
	checked := &w.sightings.Edit(t.Location).Checked
	first := *checked == 0
	*checked = slot.TimestampOf(l.At)
	before, after := w.ensureNotes().NoteInspection(&w.record, t, l, w.engine.Clock.Elapsed().Elapsed)
	changed := w.changeOf(t, before, after, l)
	for i := range changed {
		changed[i].first = first
	}
	return changed
}

func errForeign(t slot.Target) error {
	return fault.Newf(fault.Permanent, fault.Foreign, "deliver to", t.Sink+" "+t.Target,
		"the target already holds something rotatord did not write").
		WithHint("look at it, then move it away, or set `existing: adopt` on sink %s to take it over", t.Sink)
}
