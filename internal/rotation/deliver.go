package rotation

import (
	"bytes"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// delivery is the outcome of bringing a value to one target.
type delivery struct {
	target       slot.Target
	digest       []byte
	acknowledged time.Time  // when the sink acknowledged the write
	where        slot.Stage // where it failed
	err          error
}

// deliverRequired brings the value to required targets, side by side, and records who has
// it. Reading back begins when all are written, because consumers wait for the
// slowest write.
func (w *worker) deliverRequired(a slot.Deliver) {
	rec, rot, err := w.recordToDeliver()
	if err != nil {
		w.noteValueGone(rot, err)
		return
	}
	results := make([]delivery, len(a.Targets))
	w.engine.together(len(results), func(i int) { results[i] = w.write(a.Targets[i], rec, a.ReadBefore) })
	w.engine.together(len(results), func(i int) { w.readBack(rot, &results[i]) })
	w.noteDeliveries(rot, results)
}

// valueNeedsJudging reports what View.NeedsJudging does. w.mu is not held.
func (w *worker) valueNeedsJudging(rot *slot.Rotation) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	return v.NeedsJudging(rot)
}

// judgeAtTarget reads a target once more right before an in_place value of an earlier process is written there
// (slot.NeedsJudging): what it shows must have been there before the mint (slot.HeldBefore), else that is
// slot.ErrUnknownValue. A target that may not be read is written.
func (w *worker) judgeAtTarget(sink sinks.Sink, t slot.Target, content secret.Value) (sinks.Holding, error) {
	h, err := sink.Read(w.callContext(t), t.Target)
	if err != nil && fault.Of(err).Class == fault.Permanent {
		return sinks.Holding{}, nil
	}
	if err != nil || !h.Known || !h.Exists || h.Content.Equal(content) {
		return h, err
	}
	held, before := w.digest(h.Content), false
	w.locked(func() { before = w.record.HeldBefore(t.Location, held) })
	if before {
		return h, nil
	}
	return h, slot.ErrUnknownValue(t)
}

// write brings the value to one target. What writes there already ends first, and a target that has left the slot
// meanwhile is left alone.
func (w *worker) write(t slot.Target, rec sinks.Record, readBefore bool) delivery {
	d := delivery{target: t, where: slot.StageDeliver}
	sink, content, err := w.render(t, rec)
	if err != nil {
		d.err = err
		return d
	}
	place, _ := sink.Place(w.callContext(t), t.Target) // what is wrong with it, the claim tells
	defer w.engine.gates.enter(gateOf(place, t.Location))()
	if !w.stillDelivers(t) {
		d.err = errLeft
		return d
	}
	var seen sinks.Holding
	if readBefore {
		if seen, d.err = w.judgeAtTarget(sink, t, content); d.err != nil {
			return d
		}
	}
	if d.err = w.claimPlace(sink, t, writing, seen); d.err == nil {
		w.writeContent(sink, content, rec.RotationID, &d)
	}
	return d
}

// render returns a target's sink, and what the target is to hold.
func (w *worker) render(t slot.Target, rec sinks.Record) (sinks.Sink, secret.Value, error) {
	sink, err := w.sink(t)
	if err != nil {
		return nil, secret.Value{}, err
	}
	content, err := sink.Render(rec)
	return sink, content, err
}

// writeContent writes a content to the target of a delivery.
func (w *worker) writeContent(sink sinks.Sink, content secret.Value, rotationID string, d *delivery) {
	o := sinks.WriteOptions{RotationID: rotationID, Ours: w.recognisesOurs(d.target)}
	d.digest = w.digest(content)
	ctx := w.engine.delivering(w.callContext(d.target))
	if d.err = sink.Write(ctx, d.target.Target, content, o); d.err == nil {
		d.acknowledged = w.acknowledgedAt(d.target.Location, slot.TimestampOf(w.engine.now())).Time()
		_ = w.claimPlace(sink, d.target, holding, sinks.Holding{}) // the write may have made its folder
	}
}

// acknowledgedAt is when a delivery to a location counts as acknowledged: after those of others, whatever the wall clock says.
func (w *worker) acknowledgedAt(location string, at slot.Timestamp) slot.Timestamp {
	for _, other := range w.engine.left.Load().former[location] {
		if other == w {
			continue
		}
		other.locked(func() {
			if rc := other.record.Receipts.At(location); rc.RotationID != "" {
				at = max(at, rc.At+1)
			}
		})
	}
	return at
}

// errLeft says that a delivery ended because its target left the slot. It is told where that is back by the end of the round.
var errLeft = fault.Newf(fault.Retry, fault.Canceled, "deliver", "", "the target had left the slot")

// stillDelivers reports whether the slot's latest rotation goes to a target, by the present configuration.
func (w *worker) stillDelivers(t slot.Target) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	return v.Delivers(w.record.Rotation, t.Location)
}

// readBack makes sure that a target holds what was written there.
func (w *worker) readBack(rot *slot.Rotation, d *delivery) {
	if d.err != nil || !rot.Verify {
		return
	}
	d.where = slot.StageVerify
	d.err = w.checkHolds(d.target, d.digest)
}

func (w *worker) checkHolds(t slot.Target, want []byte) error {
	sink, err := w.sink(t)
	if err != nil {
		return err
	}
	h, err := sink.Read(w.callContext(t), t.Target)
	if err != nil {
		return err
	}
	if !h.Exists || !bytes.Equal(w.digest(h.Content), want) {
		return fault.Newf(fault.Retry, fault.Mismatch, "read back", t.Sink+" "+t.Target,
			"the target does not hold what was just written").WithHint("is there another writer?")
	}
	return nil
}

// noteDeliveries records a round of required deliveries. Whatever the round leaves
// open is seen by the next decision. The receipts of a round without a failure become durable with conclude: a save
// of their own would cost a sync in a blackout, and after a crash writing once more does no harm.
func (w *worker) noteDeliveries(rot *slot.Rotation, results []delivery) {
	var errs []error
	var failed []slot.Target
	var stages []slot.Stage
	var changed []healthChange
	w.locked(func() {
		v := w.view()
		for _, d := range results {
			if d.err != nil && (!v.Delivers(w.record.Rotation, d.target.Location) || fault.IsHeldBack(d.err)) {
				continue // nobody waits for it any more, or it was not let out
			}
			if d.err != nil {
				errs, failed, stages = append(errs, d.err), append(failed, d.target), append(stages, d.where)
			}
			changed = append(changed, w.noteDelivery(rot.ID, d)...)
		}
	})
	w.tellHealth(changed)
	lost := slices.IndexFunc(errs, func(err error) bool { return fault.Of(err).Reason == fault.Lost })
	switch {
	case lost >= 0:
		w.giveUpValue(errs[lost])
	case len(errs) > 0:
		w.noteFailures(stages, errs, failed) // saves the receipts too
	}
}

// noteDelivery puts one outcome into the record, and returns what is to be told of the target; w.mu is held.
func (w *worker) noteDelivery(rotationID string, d delivery) []healthChange {
	loc, o := d.target.Location, w.ensureNotes()
	if d.err != nil {
		o.Errors.Set(loc, d.err)
		if d.digest != nil { // else nothing was begun, and what was before still counts
			o.unacknowledged.Set(loc, d.digest)
		}
		return nil
	}
	if w.record.Receipts.At(loc).RotationID > rotationID {
		return nil // a newer value went there meanwhile
	}
	w.record.Acknowledge(d.target, rotationID, d.digest, d.acknowledged)
	o.unacknowledged.Remove(loc)
	w.sightings.Edit(loc).Checked = 0
	return w.changeOf(d.target, o.NoteDelivered(d.target), slot.TargetHealth{}, slot.Inspection{})
}

// conclude makes the value the served one: every required target holds it.
func (w *worker) conclude() {
	var rot *slot.Rotation
	var acknowledged slot.Timestamp
	var ev slot.Event
	w.locked(func() { rot = w.record.Rotation })
	former := w.digestsAtFormerTargets(rot)
	_ = w.updateWithEvents(func(r *slot.Record) []slot.Event {
		now := w.engine.now()
		r.DropLeftTargets(w.plan)
		r.Conclude(now, w.reading())
		r.AddServedDigests(former)
		rot, acknowledged = r.Rotation, r.LastRequiredReceipt()
		if v := w.view(); len(v.TargetsLacking(rot, false)) == 0 {
			r.DropValue(w.plan)
			w.ensureNotes().value = heldValue{}
		}
		ev = w.newEvent(slot.EventRotated)
		ev.Took = w.passedSince(rot.Clock, rot.Started)
		return []slot.Event{ev}
	})
	w.announceRotated(rot, ev, acknowledged)
}

// blackoutOf is how long consumers were locked out by a rotation that took so long: not while it was read back what
// they held already. A clock that was set meanwhile does not tell for how long that was.
func blackoutOf(took, readBack time.Duration) time.Duration {
	if readBack < 0 || readBack > took {
		return took
	}
	return took - readBack
}

// announceRotated tells everybody of a verified rotation, which the last required target acknowledged at a time.
func (w *worker) announceRotated(rot *slot.Rotation, ev slot.Event, acknowledged slot.Timestamp) {
	if plan := w.currentPlan(); plan != nil {
		w.engine.Observer.RotationCounted(plan, rot.Strategy, slot.ResultSuccess, ev.Took)
	}
	if rot.Strategy == moq.InPlace {
		w.engine.Observer.BlackoutEnded(blackoutOf(ev.Took, ev.At.Sub(acknowledged.Time())))
	}
	fields := []zap.Field{
		zap.String("rotation", rot.ID), zap.String("cause", string(rot.Cause)),
		zap.String("strategy", string(rot.Strategy)), zap.Duration("took", ev.Took),
	}
	if ev.TokenID != "" { // that of an in_place value is known if it claims one
		fields = append(fields, zap.String("token_id", ev.TokenID))
	}
	if expires := rot.Token.Expires; !expires.IsZero() {
		fields = append(fields, zap.Time("expires", expires.Time()))
	}
	w.log().Info("rotated", fields...)
}

// redirect has the value go to targets whose path was corrected.
func (w *worker) redirect(a slot.Redirect) {
	w.updateRecord(func(r *slot.Record) { r.Redirect(a.Targets, a.Found) })
	for _, t := range a.Targets {
		w.log().Info("the value at hand goes to the corrected target", zap.String("sink", t.Sink), zap.String("target", t.Target))
	}
}
