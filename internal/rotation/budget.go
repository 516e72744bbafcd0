package rotation

import (
	"context"
	"errors"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// reserve asks for a place in the account's budget; the slot is woken when it is there.
func (w *worker) reserve() {
	cf, err := w.account()
	if err != nil {
		w.fail(slot.StagePreflight, err)
		return
	}
	w.mu.Lock()
	w.ensureNotes().Reserving = true
	w.ticket++
	ticket, p, strategy := w.ticket, w.priority(), w.strategy()
	w.mu.Unlock()

	cancel := cf.Reserve(p, func() {
		if strategy == moq.InPlace {
			cf.Warm(w.engine.work) // else consumers would wait for the handshake
		}
		w.reservationGranted(ticket)
	})

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ticket == ticket {
		w.ensureNotes().cancelReservation = cancel
	} else {
		cancel() // given up meanwhile
	}
}

// reservationGranted is called by the budget, perhaps while reserve still runs.
func (w *worker) reservationGranted(ticket int32) {
	w.mu.Lock()
	if w.ticket == ticket {
		o := w.ensureNotes()
		o.Reserving, o.Reserved = false, true
	}
	w.mu.Unlock()
	w.wake()
}

// cancelReservation returns the place back, if there is one; w.mu is held.
func (w *worker) cancelReservation() {
	w.ticket++
	o := w.notes
	if o == nil {
		return
	}
	if o.cancelReservation != nil {
		o.cancelReservation()
	}
	o.cancelReservation, o.Reserving, o.Reserved = nil, false, false
}

// errOvertaken ends a call whose slot has something more urgent to do.
var errPreempted = errors.New("a rotation was asked for meanwhile")

// waitForBudget makes a call that may have to wait for its turn in the budget. A rotation
// that is asked for meanwhile ends it, so the call must be one that can be repeated.
func (w *worker) waitForBudget(call func(context.Context, moq.Priority) error) error {
	ctx, cancel := context.WithCancelCause(w.engine.work)
	defer cancel(nil)
	w.mu.Lock()
	p := w.priority()
	w.ensureNotes().preempt = func() { cancel(errPreempted) }
	w.mu.Unlock()
	err := call(ctx, p)
	w.mu.Lock()
	w.ensureNotes().preempt = nil
	w.mu.Unlock()
	if err != nil && errors.Is(context.Cause(ctx), errPreempted) {
		return errPreempted
	}
	return err
}

// requeue lets the slot line up anew: its turn may come sooner now. w.mu is held.
func (w *worker) requeue() {
	w.cancelReservation()
	if o := w.notes; o != nil && o.preempt != nil {
		o.preempt()
	}
}

// prove has the account show that calls reach it.
func (w *worker) prove() {
	cf, err := w.account()
	if err == nil {
		err = w.waitForBudget(func(ctx context.Context, p moq.Priority) error { return cf.Prove(ctx, p, w.record.Key.RelayID) })
	}
	if err != nil {
		w.fail(slot.StagePreflight, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ensureNotes().Proved = slot.TimestampOf(w.engine.now())
}
