package rotation

import (
	"maps"
	"slices"
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
	Expr     string                                // the schedule as written, to tell whether a reload changed it
	Timezone string                                // of Expr
	Jitter   time.Duration                         // the most that Delay gives
	Delay    func(instant time.Time) time.Duration // jitter after an instant: of Key and Jitter alone; nil: none
	Initial  Initial
	CatchUp  bool
	Grace    time.Duration
	Lifetime time.Duration
	Matching bool // retire: matching
	Verify   bool

	Targets       []Target
	ProbeInterval []time.Duration // of each target's sink
}

// same tells whether a reload changed nothing of a plan.
func (p *Plan) same(q *Plan) bool {
	return p != nil && p.Key == q.Key && p.Relay == q.Relay && p.Account == q.Account && maps.Equal(p.Labels, q.Labels) &&
		p.Strategy == q.Strategy && p.sameSchedule(q) && p.Jitter == q.Jitter && p.Initial == q.Initial &&
		p.CatchUp == q.CatchUp && p.Grace == q.Grace && p.Lifetime == q.Lifetime && p.Matching == q.Matching && p.Verify == q.Verify &&
		slices.Equal(p.Targets, q.Targets) && slices.Equal(p.ProbeInterval, q.ProbeInterval)
}

func (p *Plan) sameSchedule(q *Plan) bool {
	return p.Schedule == q.Schedule || p.Expr != "" && p.Expr == q.Expr && p.Timezone == q.Timezone
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
