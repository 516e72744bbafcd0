package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

const (
	quietMinute  = time.Minute    // a lost rotate call may commit this late
	driftDay     = 24 * time.Hour // the period of a slot without a schedule
	overdueAfter = time.Minute    // a run that is late by more is overdue
	lostFor      = 24 * time.Hour // a lost mint is looked for this long
)

// Due says when a slot is to rotate, and why.
type Due struct {
	Cause Cause
	At    time.Time // with jitter; zero: never
	// MeetsThrough is the instant, without jitter, up to which all are met then; of a reason that is yet to come, the
	// least that it meets.
	MeetsThrough time.Time
}

// nextDue returns the reason to rotate now that matters most, else the one that comes next.
func (v *View) nextDue() Due {
	if v.Plan == nil {
		return Due{}
	}
	if v.Record.PendingMint != nil {
		a := v.Record.PendingMint
		return Due{a.Cause, v.Now, a.MeetsThrough.Time()}
	}
	if v.Record.Unfinished() {
		return v.dueAt(v.supersedeCause(), v.Now)
	}
	var next Due
	for _, d := range []Due{v.dueOnRequest(), v.dueAfterLateCommit(), v.dueInitially(), v.dueOnSchedule(), v.dueBeforeExpiry(), v.dueOnDrift(), v.dueForNewTarget()} {
		if d.Cause == "" || d.At.IsZero() {
			continue
		}
		if !d.At.After(v.Now) {
			return d
		}
		if next.At.IsZero() || d.At.Before(next.At) {
			next = d
		}
	}
	return next
}

// isDue reports whether a rotation is to be started now.
func (v *View) isDue() bool {
	d := v.nextDue()
	return d.Cause != "" && !d.At.After(v.Now)
}

// WhyDue is why a rotation is to be started now, and who asked for it; "" when none is.
func (v *View) WhyDue() (c Cause, by string) {
	if !v.isDue() {
		return "", ""
	}
	c = v.nextDue().Cause
	switch p, q := v.Record.PendingMint, v.Record.Request; {
	case p != nil:
		return c, p.By
	case q != nil && c == CauseOf(*q):
		return c, q.By
	}
	return c, ""
}

// asIf is the view as it would be with a changed record.
func (v *View) asIf(change func(*Record)) *View {
	w, r := *v, *v.Record
	change(&r)
	w.Record = &r
	return &w
}

// dueAt completes a reason: it meets the instants so far.
func (v *View) dueAt(c Cause, t time.Time) Due {
	switch {
	case c == "":
		return Due{}
	case t.After(v.Now):
		return Due{Cause: c, At: t} // which other instants it meets is known when it comes
	}
	return Due{Cause: c, At: t, MeetsThrough: v.meetsThroughNow()}
}

// supersedeCause says why an unfinished rotation must give way to a newer one, if it must.
func (v *View) supersedeCause() Cause {
	rot := v.Record.Rotation
	switch {
	case v.Record.Request != nil && v.Record.Request.Compromised && !v.Record.Request.metBy(rot):
		return CauseCompromised
	case rot.GivenUp || v.Seen.Gone == rot.ID:
		return CauseLostValue
	case rot.Token != nil && !rot.Token.BeforeRenewal(v.timeOf(rot.Token)):
		return CauseExpiry
	}
	return ""
}

func (v *View) dueOnRequest() Due {
	switch q := v.Record.Request; {
	case q == nil:
		return Due{}
	default:
		return v.dueAt(CauseOf(*q), earlierOf(q.At, v.Now))
	}
}

// dueAfterLateCommit rotates once more after a rotate call whose answer was lost: it may
// have been carried out after the one that was answered.
func (v *View) dueAfterLateCommit() Due {
	if rot := v.Record.Rotation; rot != nil && !rot.LostAt.IsZero() {
		return v.dueAt(CauseLateCommit, v.quietUntil(rot))
	}
	return Due{}
}

// quietUntil is when the quiet minute after a lost rotate call is over, or was.
func (c *Times) quietUntil(rot *Rotation) time.Time {
	passed, _ := c.passedSince(rot.LostClock)
	if left := quietMinute - passed; left > 0 {
		return c.Now.Add(left)
	}
	return earlierOf(rot.LostAt.Add(quietMinute).Time(), c.Now)
}

func (v *View) dueOnSchedule() Due {
	if v.Plan.Schedule == nil {
		return Due{}
	}
	next := v.firstUnmet()
	if next.IsZero() {
		return Due{}
	}
	d := v.dueAt(CauseSchedule, v.instantByOurClock(v.withJitter(next)))
	d.MeetsThrough = laterOf(next, d.MeetsThrough)
	return d
}

func (v *View) dueBeforeExpiry() Due {
	t := v.Record.Current
	if t == nil || t.Expires.IsZero() || t.Expires <= t.Created && !v.knowsCloudflare() {
		return Due{} // what ends before it began was dated by our clock, which is wrong
	}
	return v.dueAt(CauseExpiry, v.byOurClock(t, t.renewalAt()))
}

// dueOnDrift makes an overlap slot due when a required target lost or changed what
// was delivered, and an in_place slot only when none holds it: there a rotation
// would kill the token that the others serve. Once a period.
func (v *View) dueOnDrift() Due {
	lost, required := 0, 0
	for _, t := range v.Plan.Targets {
		if !t.Required {
			continue
		}
		required++
		if v.Seen.Health.At(t.Location).Drift != "" {
			lost++
		}
	}
	enough := lost > 0 && (v.Plan.Strategy == moq.Overlap || lost == required)
	if !enough || v.Record.DriftPeriod.Time().Equal(v.driftPeriodStart()) {
		return Due{}
	}
	return v.dueAt(CauseDrift, v.Now)
}

// dueForNewTarget makes an overlap slot due when the configuration has a target that the
// last rotation did not deliver to.
func (v *View) dueForNewTarget() Due {
	if v.Plan.Strategy != moq.Overlap || !v.hasNewTarget() || !v.newTargetCounts() {
		return Due{}
	}
	return v.dueAt(CauseNewTarget, v.Now)
}

// newTargetCounts reports whether one of the new targets was given no value in the present period. Replicas whose
// configurations differ would else rotate with every take-over.
func (v *View) newTargetCounts() bool {
	start := TimestampOf(v.instantByOurClock(v.driftPeriodStart()))
	return !v.TakenOver || slices.ContainsFunc(v.Plan.Targets, func(t Target) bool {
		return !v.Record.Rotation.deliversTo(t.Location) && v.Record.Receipts.At(t.Location).At < start
	})
}

// waitsWithNewTarget reports whether there is a new target to which not even the value at hand goes.
func (v *View) waitsWithNewTarget() bool {
	return v.hasNewTarget() && len(v.correctedTargets(v.Record.Rotation)) == 0
}

// hasNewTarget reports whether a target has not been part of a rotation yet, though
// others have.
func (v *View) hasNewTarget() bool {
	return v.Record.Rotation != nil && slices.ContainsFunc(v.Plan.Targets, func(t Target) bool { return !v.Record.Rotation.deliversTo(t.Location) })
}
