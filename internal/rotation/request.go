package rotation

import (
	"context"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/slot"
)

// Rotate asks for a rotation of relay/type now, on behalf of by. The wish is
// durable when it returns; the status then tells how it goes.
func (e *Engine) Rotate(_ context.Context, relay, typ, by string, compromised bool) (slot.Status, error) {
	s, err := e.slots.find(relay, typ)
	if err != nil {
		return slot.Status{}, err
	}
	q := slot.Request{At: e.now(), By: by, Compromised: compromised}
	s.mu.Lock()
	before := s.record.Request
	s.record.AskForRotation(q)
	s.requeue()
	if o := s.notes; o != nil {
		o.NextRetirement, o.failedRetirements = 0, 0
	}
	ev := s.newEvent(slot.EventRequested)
	ev.By, ev.Cause, ev.RotationID, ev.TokenID = by, slot.CauseOf(q), "", ""
	s.mu.Unlock()
	if err := s.save(ev); err != nil {
		s.mu.Lock()
		s.record.Request = before
		s.mu.Unlock()
		return slot.Status{}, errStorage(err)
	}
	s.log().Info("rotation asked for", zap.String("by", by), zap.Bool("compromised", compromised))
	s.wake()
	return s.status(), nil
}
