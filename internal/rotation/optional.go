package rotation

import (
	"errors"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// deliverOptional brings the value to optional targets without holding the slot up.
func (w *worker) deliverOptional(targets []slot.Target) {
	var rotationID string
	w.locked(func() {
		rotationID = w.record.Rotation.ID
		for _, t := range targets {
			w.ensureNotes().DeliveringOptional.Set(t.Location, true)
		}
	})
	for _, t := range targets {
		w.engine.spawn(func() { w.deliverOptionalTo(t, rotationID) })
	}
}

// deliverOptionalTo brings the value of a rotation to an optional target, unless a newer one came meanwhile, which may
// have to settle first.
func (w *worker) deliverOptionalTo(t slot.Target, rotationID string) {
	rec, rot, err := w.recordToDeliver()
	switch {
	case err == nil && rot.ID != rotationID:
		err = errPreempted
	case err == nil:
		err = w.checkAccepted(rot, t)
	}
	d := delivery{target: t, err: err, where: slot.StageDeliver}
	if err == nil {
		d = w.write(t, rec, w.valueNeedsJudging(rot))
		w.readBack(rot, &d)
	}
	w.tellHealth(w.noteOptional(rot, d))
	w.awaitUpstreams(blamesOf(d.err))
	w.wake()
}

// noteOptional records one delivery to an optional target, and when a failed one is tried
// again: one that a newer rotation has overtaken, as soon as that allows. It returns what is to be told of the target.
func (w *worker) noteOptional(rot *slot.Rotation, d delivery) []healthChange {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, loc := w.ensureNotes(), d.target.Location
	o.DeliveringOptional.Remove(loc)
	if isNoFailure(d.err) || errors.Is(d.err, errLeft) || d.err != nil && w.engine.isCutOff() {
		return nil
	}
	changed := w.noteDelivery(rot.ID, d)
	if d.err == nil {
		o.failedOptional = 0
		return changed
	}
	o.failedOptional++
	next := w.engine.now().Add(w.engine.jittered(slot.RoutineBackoff(), int(o.failedOptional), requestedWait(d.err, slot.RoutineBackoff().Longest)))
	o.NextOptional.Set(loc, slot.TimestampOf(next))
	o.optionalBlames.Set(loc, blamesOf(d.err))
	w.logLocked().Warn("optional delivery failed", zap.String("step", string(d.where)), zap.String("reason", string(fault.Of(d.err).Reason)),
		zap.String("sink", d.target.Sink), zap.String("target", d.target.Target), zap.Error(d.err), zap.Time("next_attempt", next))
	return changed
}

// checkAccepted makes sure that a value from before is still worth delivering: that no
// in_place rotation ends it just now, or that the target answers and then that
// Cloudflare still lists the token.
func (w *worker) checkAccepted(rot *slot.Rotation, t slot.Target) error {
	var sure, ended bool
	var p moq.Priority
	w.locked(func() {
		sure = rot.Strategy != moq.Overlap || slot.Within(w.ensureNotes().NotGoneAt.Time(), w.engine.now(), slot.NotGoneFor)
		ended = rot.Strategy == moq.InPlace && w.record.PendingMint != nil
		p = w.priority()
	})
	switch {
	case ended:
		return errPreempted
	case sure:
		return nil
	}
	if l := w.inspectTarget(t, slot.DepthRead, true); l.Err != nil {
		return l.Err
	}
	if err := w.listAndNote(w.engine.work, p); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ensureNotes().Gone == rot.ID {
		return errGone(rot)
	}
	return nil
}
