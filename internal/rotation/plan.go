package rotation

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Plan is what the configuration wants of one slot. It is immutable: a reload
// makes new plans.
type Plan struct {
	Key     moq.Key
	Relay   string // key in the configuration
	Account string // key in the configuration
	Labels  map[string]string

	Strategy moq.Strategy
	Schedule Schedule                              // nil: manual
	Delay    func(instant time.Time) time.Duration // jitter after an instant; nil: none
	Initial  Initial
	CatchUp  bool
	Grace    time.Duration
	Lifetime time.Duration
	Matching bool // retire: matching
	Verify   bool

	Targets       []Target
	ProbeInterval []time.Duration // of each target's sink
}

// Initial says what happens at the first sight of a slot.
type Initial string

// The choices.
const (
	InitialNow      Initial = "now"
	InitialSchedule Initial = "schedule"
)

// Slot is the slot's name in the configuration, relay/type.
func (p *Plan) Slot() string { return p.Relay + "/" + string(p.Key.Type) }
