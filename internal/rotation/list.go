package rotation

import (
	"context"
	"slices"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func errGone(rot *slot.Rotation) error {
	return fault.Newf(fault.Permanent, fault.Lost, "deliver", "token "+rot.Token.ID,
		"Cloudflare does not list the token any more")
}

// listTokens sees what the relay accepts, and with it whether a pending token still lives.
func (w *worker) listTokens(a slot.List) {
	err := w.waitForBudget(func(ctx context.Context, p moq.Priority) error { return w.confirmListed(ctx, p) })
	if err != nil {
		w.fail(a.Stage, err)
		return
	}
	var rot *slot.Rotation
	var gone bool
	w.locked(func() {
		rot = w.record.Rotation
		gone = a.Stage == slot.StageDeliver && w.ensureNotes().Gone == rot.ID
	})
	if gone {
		w.giveUpValue(rot, errGone(rot))
	}
}

// confirmListed lists the relay's tokens and looks for the latest rotation's among them.
func (w *worker) confirmListed(ctx context.Context, p moq.Priority) error {
	cf, err := w.account()
	if err != nil {
		return err
	}
	tokens, err := cf.List(ctx, p, w.record.Key.RelayID)
	if err != nil {
		return err
	}
	owners := w.ownersOf(tokens) // before the lock: those of other slots are taken for it
	w.mu.Lock()
	defer w.mu.Unlock()
	now, o := w.engine.now(), w.ensureNotes()
	o.Listing, o.LastListing = &slot.Listing{At: now, Tokens: tokens, Owners: owners}, slot.TimestampOf(now)
	rot := w.record.Rotation
	if rot == nil || rot.Token == nil || rot.Token.ID == "" {
		return nil
	}
	if o.Listing.Has(rot.Token.ID) {
		o.Confirmed = slot.TimestampOf(now)
	} else if w.record.Unfinished() || slices.ContainsFunc(rot.Targets, func(t slot.Target) bool { return !t.Required }) {
		o.Gone = rot.ID
	}
	return nil
}
