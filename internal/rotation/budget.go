package rotation

import (
	"context"
	"errors"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// reserve asks for a turn in the account's budget; the slot is woken when it is there.
func (w *worker) reserve() {
	cf, err := w.account()
	if err != nil {
		w.noteFailure(slot.StagePreflight, err)
		return
	}
	ticket, p, strategy := w.beginReservation()
	cancel := cf.Reserve(p, func() {
		if strategy == moq.InPlace {
			cf.Warm(w.engine.work) // else consumers would wait for the handshake
		}
		w.reservationGranted(ticket)
	})
	w.keepReservation(ticket, cancel)
}

// budgetOpensAt is when the account's budget lets the next call through at the soonest; zero when nothing tells.
func (w *worker) budgetOpensAt() time.Time {
	cf, err := w.account()
	if err != nil {
		return time.Time{}
	}
	return cf.OpensAt()
}

func (m *memory) beginReservation() (ticket int32, p moq.Priority, s moq.Strategy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ensureNotes().Reserving = true
	m.ticket++
	return m.ticket, m.priority(), m.strategy()
}

// keepReservation keeps what hands the turn back, unless it was given up meanwhile.
func (m *memory) keepReservation(ticket int32, cancel func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ticket == ticket {
		m.ensureNotes().cancelReservation = cancel
	} else {
		cancel()
	}
}

// reservationGranted is called by the budget, perhaps while reserve still runs.
func (w *worker) reservationGranted(ticket int32) {
	w.locked(func() {
		if w.ticket == ticket {
			o := w.ensureNotes()
			o.Reserving, o.Reserved = false, true
		}
	})
	w.wake()
}

// cancelReservation hands the turn back, if there is one; m.mu is held.
func (m *memory) cancelReservation() {
	m.ticket++
	o := m.notes
	if o == nil {
		return
	}
	if o.cancelReservation != nil {
		o.cancelReservation()
	}
	o.cancelReservation, o.Reserving, o.Reserved = nil, false, false
}

// errPreempted ends a call whose slot has something more urgent to do.
var errPreempted = errors.New("a rotation was asked for meanwhile")

// waitForBudget makes a call that may have to wait for its turn in the budget. A rotation
// that is asked for meanwhile ends it, so the call must be one that can be repeated.
func (w *worker) waitForBudget(call func(context.Context, moq.Priority) error) error {
	ctx, cancel := context.WithCancelCause(w.engine.work)
	defer cancel(nil)
	err := call(ctx, w.allowPreemption(func() { cancel(errPreempted) }))
	w.locked(func() { w.ensureNotes().preempt = nil })
	if err != nil && errors.Is(context.Cause(ctx), errPreempted) {
		return errPreempted
	}
	return err
}

// allowPreemption keeps what ends a call, and returns the call's place in the queue.
func (m *memory) allowPreemption(preempt func()) moq.Priority {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ensureNotes().preempt = preempt
	return m.priority()
}

// requeue lets the slot line up anew: its turn may come sooner now. m.mu is held.
func (m *memory) requeue() {
	m.cancelReservation()
	if o := m.notes; o != nil && o.preempt != nil {
		o.preempt()
	}
}

// priority is who the slot comes before in the queue for the budget; m.mu is held.
func (m *memory) priority() moq.Priority {
	p := moq.Priority{Urgency: moq.Routine}
	if q := m.record.Request; q != nil && q.Compromised {
		p.Urgency = moq.Compromised
	}
	if !m.record.BlackoutSince().IsZero() {
		p.Urgency = moq.Blackout
	}
	if m.record.Current != nil {
		p.Deadline = m.record.Current.Expires.Time()
	}
	return p
}
