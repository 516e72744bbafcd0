package slot

import (
	"maps"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Plan is what the configuration wants of one slot. It is immutable: a reload
// makes new plans.
type Plan struct {
	*Policy

	Key    moq.Key
	Relay  string // key in the configuration
	Labels map[string]string

	Operations []string // of the slot's tokens, as configured

	Schedule Schedule // nil: manual
	// Expr is the schedule as written, or the default, without the space around it: with Timezone it tells, at a reload and
	// across a restart, whether the schedule changed. It is empty only in plans that no configuration made.
	Expr  string
	Delay func(instant time.Time) time.Duration // jitter after an instant: of Key and Jitter alone; nil: none

	Targets []Target
}

// Policy is of a plan what a fleet's slots have in common: one may be shared by
// many plans. It is immutable.
type Policy struct {
	Account       string // key in the configuration
	Strategy      moq.Strategy
	Timezone      string        // of the schedule
	Jitter        time.Duration // the most that Delay returns
	Initial       Initial
	CatchUp       bool
	Matching      bool // retire: matching
	Verify        bool
	Grace         time.Duration
	Settle        time.Duration // from a mint's answer to its first delivery, under overlap
	Lifetime      time.Duration
	LeastLife     time.Duration // what a token must outlive to reach the next: longest gap + jitter + grace
	ProbeInterval time.Duration // the shortest of the targets' sinks; zero: an hour
}

// Same reports whether a reload changed nothing of a plan.
func (p *Plan) Same(q *Plan) bool {
	return p != nil && q != nil && p.Key == q.Key && p.Relay == q.Relay && *p.Policy == *q.Policy && p.sameExpr(q) &&
		slices.Equal(p.Operations, q.Operations) && maps.Equal(p.Labels, q.Labels) && slices.Equal(p.Targets, q.Targets)
}

// sameExpr compares the expressions alone: the zone is in Policy.
func (p *Plan) sameExpr(q *Plan) bool {
	return p.Schedule == q.Schedule || p.Expr != "" && p.Expr == q.Expr
}

// Initial says when a slot that has never rotated does.
type Initial string

// The choices.
const (
	InitialNow      Initial = "now"
	InitialSchedule Initial = "schedule"
)

// Delivers reports whether one of the plan's targets is at a location; none is of no plan.
func (p *Plan) Delivers(location string) bool {
	return p != nil && TargetAt(p.Targets, location) >= 0
}

// TargetAt is the index of the target at a location; -1 when there is none.
func TargetAt(targets []Target, location string) int {
	return slices.IndexFunc(targets, func(t Target) bool { return t.Location == location })
}

// Slot is the slot's name in the configuration, relay/type.
func (p *Plan) Slot() string { return p.Relay + "/" + string(p.Key.Type) }

// CheckInterval is how often the targets are compared with what was delivered.
func (p *Plan) CheckInterval() time.Duration {
	if p == nil || p.ProbeInterval == 0 {
		return time.Hour
	}
	return p.ProbeInterval
}
