package etcdjournal

import (
	"encoding/json"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

// Clock tells the wall clock and the elapsed-time clock. Safe for concurrent use.
type Clock interface {
	Now() time.Time
	Elapsed() slot.Reading
}

// LeaderClock is what a leader told of its clocks, the last time.
type LeaderClock struct {
	Wall    time.Time    `json:"wall"`
	Elapsed slot.Reading `json:"elapsed"`

	// Heard is when it was seen as it was written, by our elapsed-time clock; zero where it was found there later on, and
	// nothing tells how old it is.
	Heard time.Duration `json:"-"`
}

// FormerLeaderClock is what the leader before this term told last.
func (s *Store) FormerLeaderClock() LeaderClock { return s.former }

// readClock is what a probe is to tell.
func (s *Store) readClock() ([]byte, error) {
	if s.options.Clock == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(LeaderClock{Wall: s.options.Clock.Now(), Elapsed: s.options.Clock.Elapsed()})
}
