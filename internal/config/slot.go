package config

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/scheduler"
)

const (
	initialNow      = "now"
	initialSchedule = "schedule"
	retireOwn       = "own"
	retireMatching  = "matching"

	// Manual is the schedule of a slot that has none.
	Manual = "manual"

	defaultSchedule = "0 4 * * 1"
	defaultTimezone = "UTC"
)

// Slot is one token type of one relay with everything that the configuration
// says of it, resolved.
type Slot struct {
	Key     moq.Key
	Relay   string // name in the configuration
	Account string // name in the configuration
	Labels  map[string]string

	Strategy moq.Strategy
	Expr     string              // the schedule as written; Manual for none
	Schedule *scheduler.Schedule // nil: manual
	Timezone string
	Jitter   time.Duration
	Initial  string // now | schedule
	CatchUp  bool
	Grace    time.Duration // zero for in_place
	Lifetime time.Duration // zero for in_place
	Retire   string        // own | matching
	Verify   bool
	Targets  []Target
}

// Name is the slot's name in the configuration, relay/type.
func (s *Slot) Name() string { return s.Relay + "/" + string(s.Key.Type) }

// Target is one place that a slot's token is delivered to.
type Target struct {
	Sink          string // name in the configuration
	Target        string // rendered path or secret id
	Location      string // the place, whatever the sink is called
	Required      bool
	Adopt         bool
	ProbeInterval time.Duration
}
