package rotation

import (
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// mint journals the intent, calls Cloudflare and journals the value.
func (w *worker) mint(d slot.Due) {
	cf, err := w.account()
	if err != nil {
		w.noteFailure(slot.StageMint, err)
		return
	}
	a, p, begun := w.beginMint(d)
	if !begun {
		return
	}
	tok, err := w.callMint(cf, p, a)
	if err == nil {
		err = w.acceptMinted(&a, tok)
	}
	if err != nil {
		w.failMint(err)
		return
	}
	sealed, err := w.engine.Sealer.Seal(tok.Value)
	if err != nil {
		w.log().Error("the value cannot be sealed: it is delivered from memory, to the required targets alone", zap.Error(err))
	}
	w.completeMint(a, tok, sealed)
}

// beginMint journals the intent, and uses the turn of the call up. There is no call to make when the slot has left the
// configuration meanwhile, when the journal does not take the intent, or when the turn was handed back.
func (w *worker) beginMint(d slot.Due) (a slot.Rotation, p moq.Priority, begun bool) {
	a, before, wanted := w.intendMint(d)
	if !wanted {
		w.locked(w.cancelReservation)
		return a, p, false
	}
	if err := w.save(); err != nil {
		w.rollbackIntent(before, err)
		return a, p, false
	}
	if p, begun = w.useReservation(a); !begun {
		w.withdrawIntent(before)
		return a, p, false
	}
	w.observeLag(a, before)
	if a.LostAt.IsZero() {
		a.Started, a.Clock = slot.TimestampOf(w.engine.now()), w.reading() // the first call of the rotation, without the journal's time
	}
	return a, p, true
}

// useReservation returns the priority of a mint call, which uses up the turn that was granted. A request or a reload may
// have handed that back meanwhile: the budget would take another slot's in its place.
func (m *memory) useReservation(a slot.Rotation) (p moq.Priority, held bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.ensureNotes()
	if !o.Reserved {
		return p, false
	}
	p = m.priority()
	p.Reserved, o.Reserved, o.cancelReservation = true, false, nil
	p.Proven = a.Strategy == moq.InPlace && a.LostAt.IsZero()
	return p, true
}

// intendMint writes the pending mint into the record; before is the one it replaces,
// nil for the first of a rotation. It is not wanted any more when the slot has left the configuration meanwhile.
func (w *worker) intendMint(d slot.Due) (a slot.Rotation, before *slot.Rotation, wanted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.engine.now()
	before = w.record.PendingMint
	switch v := w.view(); {
	case before != nil:
		a = *before
	case w.plan == nil:
		return a, nil, false
	default:
		a = v.NewRotation(d, w.engine.Instance)
	}
	a.ID = w.engine.maker.NewRotationID(now, w.record.LatestID())
	w.record.Intend(a)
	return a, before, true
}

// rollbackIntent undoes an intent that could not be journalled: nothing was called.
func (w *worker) rollbackIntent(before *slot.Rotation, err error) {
	w.locked(func() { w.record.PendingMint = before })
	w.noteFailure(slot.StageMint, errStorage(err))
}

// withdrawIntent undoes an intent that was journalled, before anything was called: the slot lines up anew.
func (w *worker) withdrawIntent(before *slot.Rotation) {
	w.updateRecord(func(r *slot.Record) { r.PendingMint = before })
}

// observeLag measures the schedule lag: of each attempt that the schedule began, but not of a rotate call that is made
// again.
func (w *worker) observeLag(a slot.Rotation, before *slot.Rotation) {
	if before == nil && !a.DueAt.IsZero() {
		w.engine.Observer.LagMeasured(max(0, w.engine.now().Sub(a.DueAt.Time())))
	}
}

func (w *worker) callMint(cf Cloudflare, p moq.Priority, a slot.Rotation) (moq.Token, error) {
	ctx, key := w.engine.changing(w.engine.minting), w.record.Key
	if a.Strategy == moq.InPlace {
		v, err := cf.Rotate(ctx, p, key.RelayID, key.Type)
		return moq.Token{Value: v}, err
	}
	want := moq.NewToken{Operations: a.Operations, Expires: a.Expires.Time(), Label: a.Label()}
	return cf.Create(ctx, p, key.RelayID, want)
}

// failMint keeps what may have been carried out, and forgets what was not.
func (w *worker) failMint(err error) {
	f := fault.Of(err)
	lost, waits := f.Class == fault.Ambiguous, false
	w.locked(func() {
		switch {
		case lost:
			w.record.LoseMint(w.engine.now(), w.reading(), false)
			w.ensureNotes().Listing = nil // it cannot show what was lost just now
		case w.record.PendingMint == nil: // RefuseMint cleared it: its token came, and is not to be delivered
			w.ensureNotes().Listing = nil
		case w.record.PendingMint.LostAt.IsZero():
			w.record.AbandonMint()
		}
		o := w.ensureNotes()
		if o.RelayFull = f.Reason == fault.Full; o.RelayFull {
			o.RelayHolders = w.relayHolders()
			err, waits = w.tellHolders(err), w.awaitRoom()
		}
	})
	if waits {
		w.tellOfFullRelay(err)
		return
	}
	w.noteFailure(slot.StageMint, err)
}

// completeMint journals the value before anything else is done with it. When that
// fails, delivery goes on from memory.
func (w *worker) completeMint(a slot.Rotation, t moq.Token, sealed []byte) {
	now := w.engine.now()
	a.MintedClock = w.reading()
	tok := mintedToken(a, t, now)
	tok.Clock = a.MintedClock
	var superseded *slot.Rotation
	_ = w.updateWithEvents(func(r *slot.Record) (events []slot.Event) {
		r.Intend(a) // with the time of the call
		superseded = r.CompleteMint(tok, sealed, now)
		o := w.ensureNotes()
		o.value, o.NotGoneAt = heldValue{a.ID, t.Value}, slot.TimestampOf(now)
		o.forgetFullRelay()
		o.Minted = a.ID
		o.Listing, o.NextOptional, o.optionalBlames = nil, nil, nil
		if superseded == nil {
			return nil
		}
		ev := w.newEvent(slot.EventSuperseded)
		ev.RotationID, ev.TokenID, ev.Cause = superseded.ID, superseded.Token.ID, a.Cause
		return []slot.Event{ev}
	})
	if plan := w.currentPlan(); superseded != nil && plan != nil {
		w.engine.Observer.RotationCounted(plan, superseded.Strategy, slot.ResultSuperseded, 0)
	}
	w.log().Info("token minted", zap.String("rotation", a.ID), zap.String("token_id", tok.ShownID()),
		zap.String("cause", string(a.Cause)), zap.String("strategy", string(a.Strategy)))
}
