package rotation

import (
	"context"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// proveAccount has the account show that calls reach it.
func (w *worker) proveAccount() {
	cf, err := w.account()
	if err == nil {
		err = w.waitForBudget(func(ctx context.Context, p moq.Priority) error { return cf.Prove(ctx, p, w.record.Key.RelayID) })
	}
	if err != nil {
		w.noteFailure(slot.StagePreflight, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ensureNotes().Proved = slot.TimestampOf(w.engine.now())
}
