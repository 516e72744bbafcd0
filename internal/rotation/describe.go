package rotation

import (
	"github.com/rotatord/rotatord/internal/slot"
)

// newEvent starts a history line about the slot as it is: rotation, token, cause and who asked are those of the latest
// minted value. w.mu is held.
func (w *worker) newEvent(kind slot.EventKind) slot.Event {
	ev := slot.Event{At: w.engine.now().UTC(), Slot: w.nameLocked(), Key: w.record.Key, Kind: kind, Strategy: w.strategy()}
	if rot := w.record.Rotation; rot != nil {
		ev.RotationID, ev.Cause, ev.By = rot.ID, rot.Cause, rot.By
		if rot.Token != nil {
			ev.TokenID = rot.Token.ShownID()
		}
	}
	return ev
}

// newFailedEvent starts the line about a failed attempt: before its token is there it is about what is due, and not about
// the rotation before it, nor about an unfinished one whose place it was to take. w.mu is held.
func (w *worker) newFailedEvent(where slot.Stage) slot.Event {
	ev, v := w.newEvent(slot.EventFailed), w.view()
	delivers := where == slot.StageDeliver || where == slot.StageVerify
	if cause, by := v.WhyDue(); !w.record.Unfinished() || cause != "" && !delivers {
		ev.RotationID, ev.TokenID, ev.Cause, ev.By = "", "", cause, by
	}
	return ev
}

func (w *worker) countIn(c *Counts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.plan == nil {
		return
	}
	c.Slots++
	if w.record.Failure != nil {
		c.Failing++
	}
	if !w.record.BlackoutSince().IsZero() {
		c.InBlackout++
	}
}

// status describes the slot; zero when it is not configured any more.
func (w *worker) status() slot.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	if v.Seen.Reserving {
		v.BudgetUntil = w.budgetOpensAt()
	}
	return v.Status()
}
