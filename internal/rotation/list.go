package rotation

import (
	"context"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func errGone(rot *slot.Rotation) error {
	return fault.Newf(fault.Permanent, fault.Lost, "deliver", "token "+rot.Token.ID,
		"Cloudflare does not list the token any more")
}

// listTokens sees what the relay accepts, and with it whether the token of the latest rotation still lives.
func (w *worker) listTokens(a slot.List) {
	err := w.waitForBudget(func(ctx context.Context, p moq.Priority) error { return w.listAndNote(ctx, p) })
	if err != nil {
		w.noteFailedList(a.Stage, err)
		return
	}
	var rot *slot.Rotation
	var gone bool
	w.locked(func() {
		if o := w.ensureNotes(); o.listFailed {
			o.endRetirementFailures()
		}
		rot = w.record.Rotation
		gone = a.Stage == slot.StageDeliver && w.ensureNotes().Gone == rot.ID
	})
	if gone {
		w.noteValueGone(rot, errGone(rot))
	}
}

// noteFailedList is noteFailure for a list. One that goes well mends what that fails of a retirement.
func (w *worker) noteFailedList(where slot.Stage, err error) {
	var before int32
	w.locked(func() { before = w.ensureNotes().failedRetirements })
	w.noteFailure(where, err)
	w.locked(func() {
		if o := w.ensureNotes(); o.failedRetirements > before {
			o.listFailed = true
		}
	})
}

// listAndNote lists the relay's tokens, and notes what that says of the slot's.
func (w *worker) listAndNote(ctx context.Context, p moq.Priority) error {
	list, err := w.listRelay(ctx, p)
	if err != nil {
		return err
	}
	k := w.record.Key.OfRelay()
	listing := slot.Listing{TokenList: list, OfNamesake: w.engine.lists.namesakeTokens(k)}
	listing.Owners = w.ownersOf(list.Tokens) // before the lock: those of other slots are taken for it
	w.locked(func() {
		w.ensureNotes()
		v := w.view()
		v.NoteListing(listing)
	})
	return nil
}

// listRelay lists what the slot's relay accepts, and notes whose that is.
func (w *worker) listRelay(ctx context.Context, p moq.Priority) (moq.TokenList, error) {
	cf, err := w.account()
	if err != nil {
		return moq.TokenList{}, err
	}
	k := w.record.Key.OfRelay()
	list, err := cf.List(ctx, p, k.RelayID)
	if err != nil {
		return list, err
	}
	list = w.engine.lists.withoutRevoked(list, w.engine.Clock.Elapsed().Elapsed)
	w.noteNamesakes(list)
	return list, nil
}
