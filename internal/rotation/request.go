package rotation

import (
	"context"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/slot"
)

// Rotate asks for a rotation of relay/type now, on behalf of by. The wish is
// durable when it returns; the status then tells how it goes.
func (e *Engine) Rotate(_ context.Context, relay, typ, by string, compromised bool) (slot.Status, error) {
	w, err := e.slots.findConfigured(relay, typ)
	if err != nil {
		return slot.Status{}, err
	}
	if err := w.request(slot.Request{At: e.now(), By: by, Compromised: compromised}); err != nil {
		return slot.Status{}, errStorage(err)
	}
	w.log().Info("rotation asked for", zap.String("by", by), zap.Bool("compromised", compromised))
	w.wake()
	return w.status(), nil
}

// request makes a request durable, and lets the slot line up anew for it.
func (w *worker) request(q slot.Request) error {
	var before *slot.Request
	err := w.updateWithEvents(func(r *slot.Record) []slot.Event {
		before = r.Request
		r.AskForRotation(q)
		w.requeue()
		if o := w.notes; o != nil {
			o.NextRetirement, o.failedRetirements, o.NextRoom = 0, 0, 0
		}
		ev := w.newEvent(slot.EventRequested)
		ev.By, ev.Cause, ev.RotationID, ev.TokenID = q.By, slot.CauseOf(q), "", ""
		return []slot.Event{ev}
	})
	if err != nil {
		w.locked(func() { w.record.Request = before })
	}
	return err
}
