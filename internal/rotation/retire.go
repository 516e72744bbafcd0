package rotation

import (
	"context"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// revokeToken revokes an old token. Revoking is idempotent: after a crash it is done again.
func (w *worker) revokeToken(a slot.Revoke) {
	if err := w.revokeByID(a.Token.ID); err != nil {
		w.noteFailure(slot.StageRetire, err)
		return
	}
	_ = w.updateWithEvents(func(r *slot.Record) []slot.Event {
		r.ForgetToken(a.Token.ID)
		ev := w.newEvent(slot.EventRevoked)
		ev.About(a.Token)
		if a.Expired {
			ev.Detail = "it had expired"
		}
		return []slot.Event{ev}
	})
	w.log().Info("old token revoked", zap.String("token_id", a.Token.ID), zap.String("rotation", a.Token.RotationID),
		zap.Bool("expired", a.Expired))
}

// revokeOrphan revokes the token of a lost mint.
func (w *worker) revokeOrphan(a slot.RevokeOrphan) {
	if err := w.revokeByID(a.Token.ID); err != nil {
		w.noteFailure(slot.StageRetire, err)
		return
	}
	message := "token of a lost mint found and revoked"
	if a.Orphan.TokenID != "" {
		message = "a new token that was refused is revoked"
	}
	_ = w.updateWithEvents(func(r *slot.Record) []slot.Event {
		r.NoteOrphanTurnedUp(a.Orphan.Label, w.engine.now(), w.reading())
		ev := w.newEvent(slot.EventReclaimed)
		ev.About(a.Token)
		ev.Detail = message
		return []slot.Event{ev}
	})
	w.log().Info(message, zap.String("token_id", a.Token.ID),
		zap.String("rotation", a.Orphan.RotationID))
}

// adoptOrphan keeps a lost mint's token among the retiring ones. Its grace begins once no target serves it, or a newer
// one is verified.
func (w *worker) adoptOrphan(a slot.AdoptOrphan) {
	tok := moq.Token{ID: a.Token.ID, Created: a.Token.Created.Time(), Expires: a.Token.Expires.Time()}
	w.updateRecord(func(r *slot.Record) { r.AdoptOrphan(a.Orphan, tok, w.engine.now(), w.reading()) })
	w.log().Warn("token of a lost mint found; a target may serve it, or did until now, so it is kept: its grace begins once none does, or a newer one is verified",
		zap.String("token_id", a.Token.ID), zap.String("rotation", a.Orphan.RotationID))
}

// beginGrace records that an adopted token, which no target is seen to serve any
// more, lives on for a grace; or that one of another boot does so anew.
func (w *worker) beginGrace(a slot.BeginGrace) {
	t, why := a.Token, "no target serves the token of a lost mint any more: its grace begins"
	if a.Anew {
		why = "the machine was started anew, and nothing tells how much of an old token's grace has passed: it begins anew"
	}
	w.updateRecord(func(r *slot.Record) { r.BeginGrace(t) })
	w.log().Info(why, zap.String("token_id", t.ID), zap.String("rotation", t.RotationID), zap.Time("retire", t.Retire.Time()))
}

func (w *worker) revokeByID(id string) error {
	cf, err := w.account()
	if err != nil {
		return err
	}
	err = w.waitForBudget(func(ctx context.Context, p moq.Priority) error {
		p.Revoke = true
		return cf.Revoke(w.engine.changing(ctx), p, w.record.Key.RelayID, id)
	})
	if fault.IsHeldBack(err) {
		soon := slot.TimestampOf(w.engine.now().Add(confirmedSoon))
		w.locked(func() {
			o := w.ensureNotes()
			o.NextRetirement, o.NextReclaim, o.TargetFailed = soon, soon, false
		})
	}
	if err == nil {
		w.engine.lists.noteRevoked(id, w.engine.Clock.Elapsed().Elapsed)
		w.locked(func() {
			o := w.ensureNotes()
			o.endRetirementFailures()
			o.Listing = o.Listing.Without(id)
		})
	}
	return err
}
