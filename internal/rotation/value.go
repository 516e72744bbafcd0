package rotation

import (
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// heldValue is an unsealed value in memory, so that a delivery need not open it.
type heldValue struct {
	rotationID string
	value      secret.Value
}

// recordToDeliver gathers what a delivery writes, in a sink's record: the value is unsealed if this process did not
// mint it.
func (w *worker) recordToDeliver() (sinks.Record, *slot.Rotation, error) {
	var rot *slot.Rotation
	var held heldValue
	w.locked(func() { rot, held = w.record.Rotation, w.ensureNotes().value })
	if held.rotationID != rot.ID {
		v, err := w.engine.Sealer.Open(rot.Sealed)
		if err != nil {
			return sinks.Record{}, rot, fault.Newf(fault.Permanent, fault.Lost, "open the sealed value of", "rotation "+rot.ID, "%w", err).
				WithHint("was the identity file replaced? the slot rotates anew")
		}
		held = heldValue{rot.ID, v}
		w.locked(func() { w.ensureNotes().value = held })
	}
	return sinkRecordOf(w.record.Key, rot, held.value), rot, nil
}

func sinkRecordOf(k moq.Key, rot *slot.Rotation, v secret.Value) sinks.Record {
	return sinks.Record{
		Names: namesOf(k, rot.Names),
		Token: v, TokenID: rot.Token.ShownID(), RotationID: rot.ID,
		RotatedAt: rot.MintedAt.Time().Truncate(time.Second), ExpiresAt: rot.Token.Expires.Time(),
	}
}

func namesOf(k moq.Key, n slot.Names) sinks.Names {
	return sinks.Names{
		Relay: n.Relay, RelayID: k.RelayID, Type: string(k.Type),
		Account: n.Account, AccountID: k.AccountID, Instance: n.Instance,
	}
}

// dropValue forgets the value: every target holds it, or it is of no use any more.
func (w *worker) dropValue() {
	w.updateRecord(func(r *slot.Record) {
		r.DropValue(w.plan)
		w.ensureNotes().value = heldValue{}
	})
}

// noteValueGone notes that a value can no longer be had, or its token is gone: the slot rotates anew.
func (w *worker) noteValueGone(rot *slot.Rotation, err error) {
	w.locked(func() { w.ensureNotes().Gone = rot.ID })
	w.noteFailure(slot.StageDeliver, err)
	w.locked(func() { // there is nothing to wait for
		if w.record.Failure == nil {
			return // calls are cut off: the next start finds it out again
		}
		now := *w.record.Failure // the former may be on its way to the journal
		now.Next = w.engine.now()
		w.record.Failure = &now
	})
}

// giveUpValue gives up, durably, a value that may be older than what targets hold: the slot rotates again, by the
// backoff of a blackout, which counts across restarts.
func (w *worker) giveUpValue(err error) {
	w.locked(func() { w.record.GiveUpValue() })
	w.noteFailure(slot.StageDeliver, err) // saves that it was given up, too
}

// trialRecord is a record like the next one, with a stand-in as long as the slot's last value; guessed when
// none is known. A slot that has left the configuration has none.
func (w *worker) trialRecord() (r sinks.Record, guessed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.plan == nil {
		return r, false, fault.Newf(fault.Retry, fault.Canceled, "prepare", w.nameLocked(), "the slot has left the configuration")
	}
	size := sinks.TrialSize
	if rot := w.record.Rotation; rot != nil && rot.Token != nil && rot.Token.ValueSize > 0 {
		size = rot.Token.ValueSize
	} else {
		guessed = true
	}
	rot := w.record.Rotation
	nameless := w.plan.Strategy == moq.InPlace && (rot == nil || rot.Token == nil || rot.Token.ClaimedID == "")
	names := slot.Names{Relay: w.plan.Relay, Account: w.plan.Account, Instance: w.engine.Instance}
	return sinks.Trial(namesOf(w.record.Key, names), size, nameless), guessed, nil
}
