package slot

import "time"

// scheduleBase is what the schedule counts from: the last instant met, else the first sight; or when it took the place of
// another schedule, or, where missed runs are not caught up, the last instant that was missed.
func (v *View) scheduleBase() time.Time {
	base := max(v.Record.noneMissedThrough(), v.scheduleInForce().Since).Time()
	if !v.skipsMissed() {
		return base
	}
	return laterOf(base, v.latestDue(base, v.byScheduleClock(v.ActiveSince)))
}

// skipsMissed reports whether missed runs are not caught up. A slot that fails catches up in any case: what it tried when
// the process ended was begun, and not missed.
func (v *View) skipsMissed() bool { return !v.Plan.CatchUp && v.Record.Failure == nil }

// firstUnmet is the first instant that is unmet; zero when none will come.
func (v *View) firstUnmet() time.Time {
	if owed := v.owedInstant(); !owed.IsZero() {
		return owed
	}
	return v.Plan.Schedule.Next(v.scheduleBase())
}

// meetsThroughNow is the instant through which a rotation that begins now meets the schedule: the latest that is due, else
// one that is owed and due; zero when there is none.
func (v *View) meetsThroughNow() time.Time {
	if v.Plan.Schedule == nil {
		return time.Time{}
	}
	last, owed := v.latestDue(v.scheduleBase(), v.ScheduleNow()), v.owedInstant()
	if last.IsZero() && !owed.IsZero() && !v.withJitter(owed).After(v.ScheduleNow()) {
		return owed
	}
	return last
}

// latestDue is the latest instant after base whose jitter has passed at a time; zero when there is none.
func (v *View) latestDue(base, at time.Time) time.Time {
	last := v.Plan.Schedule.Latest(base, at)
	for !last.IsZero() && v.withJitter(last).After(at) {
		last = v.Plan.Schedule.Latest(base, last.Add(-time.Nanosecond))
	}
	return last
}

func (v *View) withJitter(instant time.Time) time.Time {
	if v.Plan.Delay == nil {
		return instant
	}
	return instant.Add(v.Plan.Delay(instant))
}

// driftPeriodStart returns the first instant of the present period of the schedule; of `@every`, counted from the first
// sight of the slot.
func (v *View) driftPeriodStart() time.Time {
	if v.Plan.Schedule == nil {
		return v.ScheduleNow().UTC().Truncate(driftDay)
	}
	seen := v.Record.FirstSeen.Time()
	return laterOf(seen, v.Plan.Schedule.Latest(seen, v.ScheduleNow()))
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earlierOf is the earlier of two times, where zero means never.
func earlierOf(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Schedule says when a slot is to rotate. It is immutable.
type Schedule interface {
	// Next is the first instant after t; zero when there is none. For "@every d"
	// it is t + d.
	Next(t time.Time) time.Time
	// Latest is the last instant in (after, now]; zero when there is none.
	Latest(after, now time.Time) time.Time
}
