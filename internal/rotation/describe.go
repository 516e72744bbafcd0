package rotation

import (
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func (w *worker) strategy() moq.Strategy {
	if w.record.PendingMint != nil {
		return w.record.PendingMint.Strategy
	}
	if w.plan != nil && !w.record.Unfinished() {
		return w.plan.Strategy
	}
	if w.record.Rotation != nil {
		return w.record.Rotation.Strategy
	}
	return ""
}

func (w *worker) accountName() string {
	if w.plan != nil {
		return w.plan.Account
	}
	if w.record.Rotation != nil {
		return w.record.Rotation.Names.Account
	}
	return ""
}

func (w *worker) name() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nameLocked()
}

// nameLocked is relay/type as configured, or as it was when last configured.
func (w *worker) nameLocked() string {
	switch {
	case w.plan != nil:
		return w.plan.Slot()
	case w.record.Rotation != nil:
		return w.record.Rotation.Names.Relay + "/" + string(w.record.Key.Type)
	}
	return w.record.Key.String()
}

func (w *worker) currentPlan() *slot.Plan {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.plan
}

// newEvent starts a history line about the slot as it is; w.mu is held.
func (w *worker) newEvent(kind slot.EventKind) slot.Event {
	ev := slot.Event{At: w.engine.now().UTC(), Slot: w.nameLocked(), Key: w.record.Key, Kind: kind, Strategy: w.strategy()}
	if rot := w.record.Rotation; rot != nil {
		ev.RotationID, ev.Cause, ev.By = rot.ID, rot.Cause, rot.By
		if rot.Token != nil {
			ev.TokenID = rot.Token.ID
		}
	}
	return ev
}

// priority is the slot's place in the queue; w.mu is held.
func (w *worker) priority() moq.Priority {
	p := moq.Priority{Urgency: moq.Routine}
	if q := w.record.Request; q != nil && q.Compromised {
		p.Urgency = moq.Compromised
	}
	if !w.record.BlackoutSince().IsZero() {
		p.Urgency = moq.Blackout
	}
	if w.record.Current != nil {
		p.Deadline = w.record.Current.Expires.Time()
	}
	return p
}

// status describes the slot; zero when it is not configured any more.
func (w *worker) status() slot.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	return v.Status()
}

// receipt is what the target was last acknowledged to hold.
func (w *worker) receipt(t slot.Target) slot.Receipt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.record.Receipts.At(t.Location)
}
