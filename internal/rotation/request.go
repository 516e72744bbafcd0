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

// request makes a request durable, and lets the slot line up anew for it. One whose save fails is forgotten before another
// comes, which its forgetting would take along.
func (w *worker) request(q slot.Request) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	var before, asked *slot.Request
	var events []slot.Event
	w.locked(func() {
		before = w.record.Request
		w.record.AskForRotation(q)
		asked = w.record.Request
		w.requeue()
		if o := w.notes; o != nil {
			o.NextRetirement, o.failedRetirements, o.NextRoom = 0, 0, 0
		}
		ev := w.newEvent(slot.EventRequested)
		ev.By, ev.Cause, ev.RotationID, ev.TokenID = q.By, slot.CauseOf(q), "", ""
		events = append(events, ev)
	})
	err := w.saveInTurn(events...)
	if err != nil {
		w.locked(func() { w.record.ForgetRequest(asked, before) })
	}
	return err
}
