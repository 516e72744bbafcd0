package rotation

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

const (
	quietMinute   = time.Minute      // a lost rotate call may commit this late
	driftDay      = 24 * time.Hour   // the period of a slot without a schedule
	overdueAfter  = time.Minute      // an instant unmet for longer is overdue
	slotTokens    = 3                // most tokens a slot has at Cloudflare
	lostFor       = 24 * time.Hour   // a lost mint is looked for this long
	otherBootWait = 10 * time.Minute // elapsed time asked for when the grace began on another boot
)

// due says when a slot is to rotate, and why.
type due struct {
	cause   Cause
	at      time.Time // zero: never
	instant time.Time // every schedule instant up to it is met
}

// due finds the reason to rotate now that matters most, else the one that comes next.
func (v *view) due() due {
	if v.p == nil {
		return due{}
	}
	if v.r.Attempt != nil {
		a := v.r.Attempt
		return due{a.Cause, v.now, a.Instant.Time()}
	}
	if v.r.unfinished() {
		return v.at(v.superseded(), v.now)
	}
	var next due
	for _, d := range []due{v.requested(), v.late(), v.first(), v.scheduled(), v.expiring(), v.drifted(), v.gained()} {
		if d.cause == "" || d.at.IsZero() {
			continue
		}
		if !d.at.After(v.now) {
			return d
		}
		if next.at.IsZero() || d.at.Before(next.at) {
			next = d
		}
	}
	return next
}

// isDue reports whether a rotation is to be started now.
func (v *view) isDue() bool {
	d := v.due()
	return d.cause != "" && !d.at.After(v.now)
}

// at completes a reason: it meets the instants so far.
func (v *view) at(c Cause, t time.Time) due {
	switch {
	case c == "":
		return due{}
	case t.After(v.now):
		return due{cause: c, at: t} // which instants it meets is known when it comes
	}
	return due{cause: c, at: t, instant: v.lastInstant()}
}

// superseded says why an unfinished rotation must give way to a newer one, if it must.
func (v *view) superseded() Cause {
	rot := v.r.Rotation
	switch {
	case v.r.Request != nil && v.r.Request.Compromised && rot.Started.Time().Before(v.r.Request.At):
		return ByCompro
	case v.o.gone == rot.ID:
		return ByLostValue
	case rot.Token != nil && !rot.Token.fresh(v.now):
		return ByExpiry
	}
	return ""
}

// fresh tells whether more than a third of the token's life is left.
func (t *Token) fresh(now time.Time) bool {
	return t.Expires.IsZero() || now.Before(t.stale())
}

// stale is when a third of the token's life is left.
func (t *Token) stale() time.Time { return (t.Expires - (t.Expires-t.Created)/3).Time() }

func (v *view) requested() due {
	switch q := v.r.Request; {
	case q == nil:
		return due{}
	case q.Compromised:
		return v.at(ByCompro, q.At)
	default:
		return v.at(ByRequest, q.At)
	}
}

// late rotates once more after a rotate call whose answer was lost: it may
// have been carried out after the one that was answered.
func (v *view) late() due {
	if rot := v.r.Rotation; rot != nil && !rot.LostAt.IsZero() {
		return v.at(ByLateMint, rot.LostAt.Add(quietMinute).Time())
	}
	return due{}
}

func (v *view) first() due {
	if v.r.Rotation != nil || v.p.Initial != InitialNow {
		return due{}
	}
	seen := v.r.FirstSeen.Time()
	return due{ByInitial, seen, seen}
}

func (v *view) scheduled() due {
	if v.p.Schedule == nil {
		return due{}
	}
	next := v.p.Schedule.Next(v.base())
	if next.IsZero() {
		return due{}
	}
	d := v.at(BySchedule, v.jittered(next))
	d.instant = later(next, d.instant)
	return d
}

// base is the instant that the schedule counts from: the last one met, or,
// when missed runs are not caught up, the last one before rotatord could act.
func (v *view) base() time.Time {
	base := max(v.r.Met, v.r.FirstSeen).Time()
	if v.p.CatchUp || v.r.Failure != nil {
		return base
	}
	return later(base, v.p.Schedule.Latest(base, v.since))
}

// lastInstant is the latest instant whose jitter has passed, however many were missed.
func (v *view) lastInstant() time.Time {
	if v.p.Schedule == nil {
		return time.Time{}
	}
	last := v.p.Schedule.Latest(v.base(), v.now)
	for !last.IsZero() && v.jittered(last).After(v.now) {
		last = v.p.Schedule.Latest(v.base(), last.Add(-time.Nanosecond))
	}
	return last
}

func (v *view) jittered(instant time.Time) time.Time {
	if v.p.Delay == nil {
		return instant
	}
	return instant.Add(v.p.Delay(instant))
}

func (v *view) expiring() due {
	if t := v.r.Served; t != nil && !t.Expires.IsZero() {
		return v.at(ByExpiry, t.stale())
	}
	return due{}
}

// drifted makes an overlap slot due when a required target lost or changed what
// was delivered, and an in_place slot only when none holds it: there a rotation
// would kill the token that the others serve. Once a period.
func (v *view) drifted() due {
	lost, required := 0, 0
	for _, t := range v.p.Targets {
		if !t.Required {
			continue
		}
		required++
		if v.o.drift.at(t.Location) != "" {
			lost++
		}
	}
	enough := lost > 0 && (v.p.Strategy == moq.Overlap || lost == required)
	if !enough || v.r.DriftPeriod.Time().Equal(v.period()) {
		return due{}
	}
	return v.at(ByDrift, v.now)
}

// period is the first instant of the present period of the schedule.
func (v *view) period() time.Time {
	if v.p.Schedule == nil {
		return v.now.UTC().Truncate(driftDay)
	}
	seen := v.r.FirstSeen.Time()
	return later(seen, v.p.Schedule.Latest(seen, v.now))
}

// gained makes an overlap slot due when the configuration has a target that the
// last rotation did not deliver to.
func (v *view) gained() due {
	if v.p.Strategy != moq.Overlap || !v.waiting() {
		return due{}
	}
	return v.at(ByNewTarget, v.now)
}

// waiting tells whether a target has not been part of a rotation yet, though
// others have.
func (v *view) waiting() bool {
	return v.r.Rotation != nil && slices.ContainsFunc(v.p.Targets, func(t Target) bool { return !v.r.Rotation.delivers(t.Location) })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earliest is the earlier of two times, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
