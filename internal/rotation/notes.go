package rotation

import (
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

// notes are what a slot has seen, and what it has in hand. A slot at rest has none.
type notes struct {
	slot.Observation

	unacknowledged slot.ByLocation[[]byte] // digest of what a write that was not acknowledged may have left, by location

	value             heldValue
	cancelReservation func() // hands the turn in the budget back
	preempt           func() // ends the call that waits for its turn; nil when none does

	failedSaves       int32 // failed saves in a row
	failedRetirements int32 // failed retirements in a row
	listFailed        bool  // the last of them was a list
	failedOptional    int32 // failed optional rounds in a row
	refusedMints      int32 // mints in a row that the full relay refused

	blames           []blame                  // whose the present run of failures is
	retirementBlames []blame                  // whose the failed retirements are
	optionalBlames   slot.ByLocation[[]blame] // whose the failed optional deliveries are, by location
	retriedSoonerAt  time.Duration            // when they were last tried because somebody came back, on the elapsed-time clock
}

// ensureNotes returns the slot's notes, to read and to write; m.mu is held. They are made
// when there are none, and a slot that comes to rest lets go of them again.
func (m *memory) ensureNotes() *notes {
	if m.notes == nil {
		m.notes = new(notes)
	}
	return m.notes
}

// forgetIfIdle lets go of the notes of a slot that has nothing in hand and rests until a
// time at which it would have to look anew; not of those that then still count.
// m.mu is held.
func (m *memory) forgetIfIdle(now, until time.Time) {
	o, soon := m.notes, !until.IsZero() && until.Sub(now) <= slot.FreshFor
	if o == nil || soon || !m.record.AtRest() || o.isUnderway() || o.preempt != nil || len(o.InspectingOptional) > 0 {
		return
	}
	o.Inspections, o.Listing = nil, nil
	if !o.RelayFull && !o.Unsaved && o.failedRetirements == 0 && o.value.rotationID == "" && len(o.Health)+len(o.Errors) == 0 {
		m.notes = nil
	}
}

// endRetirementFailures makes as if no retirement had failed: the one that did has gone well.
func (o *notes) endRetirementFailures() {
	o.failedRetirements, o.listFailed, o.NotRevoked = 0, false, ""
}

// isUnderway reports whether something goes on beside the passes, and will wake the slot.
func (o *notes) isUnderway() bool {
	return o != nil && (o.Reserving || o.Reserved || len(o.DeliveringOptional) > 0)
}

// forgetInspections makes as if neither targets nor account had been looked at; m.mu is held.
func (m *memory) forgetInspections() {
	for i := range m.sightings {
		m.sightings[i].Value.Checked = 0
	}
	if m.notes != nil {
		m.notes.Inspections, m.notes.Proved = nil, 0
	}
}
