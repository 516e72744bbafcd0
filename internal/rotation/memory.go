package rotation

import (
	"sync"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// memory is what the process has of one slot. mu guards all of it. Nearly all slots of a
// fleet are at rest: what only one at work needs is in its notes.
type memory struct {
	mu        sync.Mutex
	plan      *slot.Plan                     // nil: not configured any more
	record    slot.Record                    // its Key never changes
	notes     *notes                         // nil: none; see ensureNotes
	sightings slot.ByLocation[slot.Sighting] // by location
	nextCheck slot.Timestamp                 // when targets are looked at again
	ticket    int32                          // tells one reservation from the next
	running   bool
	again     bool
	visited   bool // it was decided on since the start of the process, by a pass or by armIfIdle
	inspected inspectedState
}

func (m *memory) accountName() string {
	if m.plan != nil {
		return m.plan.Account
	}
	if m.record.Rotation != nil {
		return m.record.Rotation.Names.Account
	}
	return ""
}

func (m *memory) currentPlan() *slot.Plan {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.plan
}

func (m *memory) name() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nameLocked()
}

// nameLocked is relay/type as configured, or as it was when last configured.
func (m *memory) nameLocked() string {
	switch {
	case m.plan != nil:
		return m.plan.Slot()
	case m.record.Rotation != nil:
		return m.record.Rotation.Names.Relay + "/" + string(m.record.Key.Type)
	}
	return m.record.Key.String()
}

// receipt is what the target was last acknowledged to hold.
func (m *memory) receipt(t slot.Target) slot.Receipt {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record.Receipts.At(t.Location)
}

func (m *memory) strategy() moq.Strategy {
	if m.record.PendingMint != nil {
		return m.record.PendingMint.Strategy
	}
	if m.plan != nil && !m.record.Unfinished() {
		return m.plan.Strategy
	}
	if m.record.Rotation != nil {
		return m.record.Rotation.Strategy
	}
	return ""
}

// locked runs f while nobody else reads or changes what memory has of the slot. f does not block.
func (m *memory) locked(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// read returns a copy of the slot's record as it is now.
func (m *memory) read() *slot.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record.Clone()
}
