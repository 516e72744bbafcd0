package config

import (
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

const (
	year            = 365 * day
	maxDefaultGrace = day
	defaultSettle   = 10 * time.Second
	manualGrace     = 12 * time.Hour
	minDefaultLife  = 30 * day

	manual          = "manual" // the schedule of a slot that has none
	defaultSchedule = "0 4 * * 1"
	defaultTimezone = "UTC"
)

// The gaps of a schedule are measured from a fixed day, so that a file is right
// or wrong whenever it is read.
var gapsFrom = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// timing is a parsed schedule with its gaps, shared by all slots that have it.
type timing struct {
	schedule          *scheduler.Schedule // nil: manual
	shortest, longest time.Duration
}

// timings are known by their words: a fleet may have as many as it has slots.
type timings map[timingKey]*timing

type timingKey struct{ expr, zone string }

// byWords finds again what a configuration keeps of its timings.
func byWords(kept []timing) timings {
	known := make(timings, len(kept))
	for i := range kept {
		s := kept[i].schedule
		known[timingKey{s.String(), s.Location().String()}] = &kept[i]
	}
	return known
}

func (r *resolver) findTiming(expr, zone string) (*timing, error) {
	key := timingKey{expr, zone}
	if t := r.timings[key]; t != nil {
		return t, nil
	}
	t := r.formerTimings[key]
	if t == nil {
		var err error
		if t, err = r.newTiming(expr, zone); err != nil {
			return nil, err
		}
	}
	r.timings[key] = t
	if t.schedule != nil {
		r.cfg.timings = append(r.cfg.timings, *t)
	}
	return t, nil
}

func (r *resolver) newTiming(expr, zone string) (*timing, error) {
	if expr == manual {
		return &timing{}, nil
	}
	s, err := scheduler.Parse(expr, r.loadZone(zone))
	if err != nil {
		return nil, err
	}
	shortest, longest := r.gapMeter.Gaps(s)
	return &timing{schedule: s, shortest: shortest, longest: longest}, nil
}

// loadZone loads each time zone once. One that is not known is UTC here: validate has reported it.
func (r *resolver) loadZone(zone string) *time.Location {
	loc := r.zones[zone]
	if loc == nil {
		var err error
		if loc, err = time.LoadLocation(zone); err != nil {
			loc = time.UTC
		}
		r.zones[zone] = loc
	}
	return loc
}

// resolveTiming resolves the plan's schedule and, under overlap, its grace, lifetime and settle time.
func (r *resolver) resolveTiming(plan *slot.Plan, scope *slotScope) {
	var from origin
	plan.Expr, from = nearestOf(scope, func(s *Settings) *string { return s.Schedule }, defaultSchedule)
	plan.Expr = strings.TrimSpace(plan.Expr)
	plan.Timezone, _ = nearestOf(scope, func(s *Settings) *string { return s.Timezone }, defaultTimezone)
	plan.Jitter, _ = nearestOf(scope, func(s *Settings) *time.Duration { return s.Jitter }, 0)
	plan.Delay = delayWithin(plan.Jitter, plan.Key)
	t, err := r.findTiming(plan.Expr, plan.Timezone)
	if err != nil {
		r.refuseSchedule(scope.pathOf(from), plan.Expr, err)
		return
	}
	if t.schedule != nil {
		plan.Schedule = t.schedule
	}
	r.warnTiming(plan, t, scope, from)
	if plan.Strategy != moq.InPlace {
		r.resolveGrace(plan, t, scope, from)
		r.resolveSettle(plan, t, scope, from)
		r.resolveLifetime(plan, t, scope, from)
		r.checkSettle(plan, scope)
	}
}

func (r *resolver) refuseSchedule(p *path, expr string, err error) {
	r.diagnose(p.child("schedule"), err.Error(), didYouMean(expr, []string{manual}))
}

// delayWithin returns a slot's delay after each instant, which is less than jitter; nil for none.
func delayWithin(jitter time.Duration, of moq.Key) func(instant time.Time) time.Duration {
	if jitter <= 0 {
		return nil
	}
	key := of.String()
	return func(instant time.Time) time.Duration { return scheduler.Jitter(key, instant, jitter) }
}

// resolveGrace sets the plan's grace, which must be over before the next rotation can begin.
func (r *resolver) resolveGrace(plan *slot.Plan, t *timing, scope *slotScope, schedule origin) {
	var from origin
	plan.Grace, from = nearestOf(scope, func(s *Settings) *time.Duration { return s.Grace }, defaultGrace(t))
	if from != builtIn && t.schedule != nil && plan.Grace >= t.shortest {
		r.diagnose(scope.conflictPath("grace", from, schedule),
			"grace ("+formatDuration(plan.Grace)+") must be shorter than the schedule's shortest gap ("+formatDuration(t.shortest)+")",
			"give this slot a shorter grace or a rarer schedule")
	}
}

// resolveSettle sets how long a token settles, which must leave the grace its time before the next rotation can begin.
func (r *resolver) resolveSettle(plan *slot.Plan, t *timing, scope *slotScope, schedule origin) {
	var from origin
	plan.Settle, from = nearestOf(scope, func(s *Settings) *time.Duration { return s.Settle }, settleWithin(t, plan.Grace))
	if from != builtIn && t.schedule != nil && plan.Grace < t.shortest && plan.Settle+plan.Grace >= t.shortest {
		r.diagnose(scope.conflictPath("settle", from, schedule),
			"settle ("+formatDuration(plan.Settle)+") and grace ("+formatDuration(plan.Grace)+
				") together must be shorter than the schedule's shortest gap ("+formatDuration(t.shortest)+")",
			"give this slot a shorter settle or grace, or a rarer schedule")
	}
}

// checkSettle refuses that a token expires before it has settled: no gap of a schedule may keep it from that.
func (r *resolver) checkSettle(plan *slot.Plan, scope *slotScope) {
	_, settle := nearestOf(scope, func(s *Settings) *time.Duration { return s.Settle }, 0)
	_, lifetime := nearestOf(scope, func(s *Settings) *time.Duration { return s.Lifetime }, 0)
	if settle == builtIn || plan.Lifetime == 0 || plan.Settle < plan.Lifetime {
		return
	}
	key, at := "settle", settle
	if lifetime > settle {
		key, at = "lifetime", lifetime
	}
	r.diagnose(scope.pathOf(at).child(key),
		"settle ("+formatDuration(plan.Settle)+") must be shorter than the token's lifetime ("+
			formatDuration(plan.Lifetime)+"): it would expire before it is delivered", "give this slot a shorter settle")
}

// settleWithin is how long a token settles that nobody gave a time for: it fits beside any grace that fits.
func settleWithin(t *timing, grace time.Duration) time.Duration {
	if t.schedule == nil {
		return defaultSettle
	}
	return max(0, min(defaultSettle, t.shortest/4, (t.shortest-grace)/2))
}

// conflictPath is where two settings that contradict each other are reported: at key, or
// at the schedule if that stands nearer to the slot.
func (s *slotScope) conflictPath(key string, from, schedule origin) *path {
	if schedule > from {
		return s.pathOf(schedule).child("schedule")
	}
	return s.pathOf(from).child(key)
}

func defaultGrace(t *timing) time.Duration {
	if t.schedule == nil {
		return manualGrace
	}
	return min(t.shortest/2, maxDefaultGrace)
}

// resolveLifetime sets the plan's lifetime, which must outlast the longest wait for the next token and its grace.
func (r *resolver) resolveLifetime(plan *slot.Plan, t *timing, scope *slotScope, schedule origin) {
	var from origin
	plan.LeastLife = t.longest + plan.Jitter + plan.Grace
	plan.Lifetime, from = nearestOf(scope, func(s *Settings) *time.Duration { return s.Lifetime }, defaultLifetime(t))
	if from == builtIn {
		return
	}
	least := plan.LeastLife
	switch {
	case plan.Lifetime > year || plan.Lifetime == 0: // checkSettings has refused it
	case plan.Lifetime <= least && least >= year:
		r.diagnose(scope.conflictPath("lifetime", from, schedule),
			"no lifetime can exceed longest gap + jitter + grace ("+formatDuration(least)+"): one year is the most",
			"leave lifetime out, or give a more frequent schedule")
	case plan.Lifetime <= least:
		r.diagnose(scope.conflictPath("lifetime", from, schedule),
			"lifetime ("+formatDuration(plan.Lifetime)+") must exceed longest gap + jitter + grace ("+formatDuration(least)+")",
			"give a longer lifetime or leave it out")
	}
}

func defaultLifetime(t *timing) time.Duration {
	if t.schedule == nil {
		return year
	}
	return min(max(4*min(t.longest, year), minDefaultLife), year) // four times the longest gap that there can be is no duration
}

func (r *resolver) warnTiming(plan *slot.Plan, t *timing, scope *slotScope, schedule origin) {
	if t.schedule == nil {
		return
	}
	if plan.Jitter >= t.shortest {
		_, from := nearestOf(scope, func(s *Settings) *time.Duration { return s.Jitter }, 0)
		r.warn(scope.conflictPath("jitter", from, schedule),
			"jitter is not shorter than the schedule's shortest gap ("+formatDuration(t.shortest)+"): runs may be skipped", "")
	}
	if advice, ok := r.adviceAgainst(t, scope); ok {
		r.warn(scope.pathOf(schedule).child("schedule"), advice.Text, advice.Hint)
	}
}

// adviceAgainst returns the advice of the slot's first sink that would be written more often than its maker advises.
func (r *resolver) adviceAgainst(t *timing, scope *slotScope) (advice sinks.WriteAdvice, found bool) {
	refs, _ := scope.sinks()
	for _, ref := range refs {
		if advice = sinks.WriteAdviceOf(r.cfg.Sinks[ref.Sink]); t.shortest < advice.Interval {
			return advice, true
		}
	}
	return sinks.WriteAdvice{}, false
}
