package moving

import (
	"cmp"
	"context"

	"github.com/rotatord/rotatord/internal/slot"
)

// Store is a store of records that a journal is moved from or to. Whoever has it open holds it alone. Safe for
// concurrent use.
type Store interface {
	// Note is what the store says of the latest move.
	Note() Note
	// PutNote makes another note durable before it returns.
	PutNote(ctx context.Context, n Note) error
	// IsEmpty reports whether it holds no records and no history.
	IsEmpty(ctx context.Context) (bool, error)
	// Clear drops all records, history and notes of accounts, and takes a digest key over. What ends it half way
	// leaves it to be called again.
	Clear(ctx context.Context, digestKey []byte) error
	// DigestKey is the installation's random key for the digests of receipts.
	DigestKey() []byte
	// Export calls visit for every slot, as it was saved. Records that are damaged are named in the error.
	Export(ctx context.Context, visit func(Slot) error) error
	// Import makes a slot durable that the store lacks, with as many of its last events as the store keeps.
	Import(ctx context.Context, s Slot) error
	// KeptEvents is how many events of a slot are kept.
	KeptEvents() int

	SaveAccount(ctx context.Context, n slot.AccountNote) error
	LoadAccounts(ctx context.Context, damaged func(error)) ([]slot.AccountNote, error)
}

// Slot is all that a store holds of one slot.
type Slot struct {
	Record *slot.Record
	Events []Event // the earliest first
}

// Event is an event with its rank among those of all slots: later ones have higher ranks.
type Event struct {
	Rank  uint64
	Event slot.Event
}

// CompareRanks orders events by their ranks.
func CompareRanks(a, b Event) int { return cmp.Compare(a.Rank, b.Rank) }

// Last returns a slot with its last events.
func (s Slot) Last(events int) Slot {
	s.Events = s.Events[max(0, len(s.Events)-events):]
	return s
}
