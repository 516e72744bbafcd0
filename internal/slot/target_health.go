package slot

import (
	"slices"
	"time"
)

// secondLookAfter is how far apart two looks are at least that must agree before a store that may answer stale is
// believed to have lost or changed what was delivered.
const secondLookAfter = 10 * time.Second

// TargetHealth is what stays known of a target that is not well from one look to the next. Of one that
// is, there is none: the zero value.
type TargetHealth struct {
	State TargetState // missing, changed, unusable or unknown; "" while there is a doubt at most
	Since Timestamp   // when it came into that state

	Drift Drift // how it differs from what was delivered, also while it is unusable
	Depth Depth // of the deepest look that found it unusable: only as deep a one finds it well

	Doubt     Drift         // what one look at a store that may answer stale showed
	DoubtedAt time.Duration // when, on the elapsed-time clock
}

// After is the health of a target after a look at it; drifts says whether it is to hold what was
// delivered last: while a value is on its way, nobody can tell.
func (h TargetHealth) After(l Inspection, rc Receipt, drifts bool, elapsed time.Duration) TargetHealth {
	next := h
	if l.Err != nil {
		next = next.afterFailure(l)
	} else {
		if drifts {
			next = next.afterSight(driftOf(rc, l), l, elapsed)
		}
		next = next.afterSuccess(l)
	}
	switch next.State {
	case h.State:
	case "":
		next.Since = 0
	default:
		next.Since = TimestampOf(l.At)
	}
	return next
}

// afterFailure keeps what is known to be wrong while the store is down.
func (h TargetHealth) afterFailure(l Inspection) TargetHealth {
	h.Doubt, h.DoubtedAt = "", 0
	switch s := stateUnder(l.Err); {
	case s == TargetUnusable:
		h.State, h.Depth = s, max(h.Depth, l.Depth)
	case h.State == "":
		h.State = s
	}
	return h
}

// afterSight compares what a target shows. Where that may be what it held a while ago, a second look has to agree.
func (h TargetHealth) afterSight(shown Drift, l Inspection, elapsed time.Duration) TargetHealth {
	agreed := shown == h.Doubt && elapsed-h.DoubtedAt >= secondLookAfter
	switch {
	case !l.Known:
		h.Doubt, h.DoubtedAt = "", 0
	case !l.MayBeStale, shown == "", shown == h.Drift, agreed:
		h.Drift, h.Doubt, h.DoubtedAt = shown, "", 0
	case shown != h.Doubt:
		h.Doubt, h.DoubtedAt = shown, elapsed
	}
	return h
}

// afterSuccess is after a look that the store let pass: less deep a one than found it unusable proves nothing,
// nor does one that is in doubt.
func (h TargetHealth) afterSuccess(l Inspection) TargetHealth {
	if h.State == TargetUnusable && l.Depth < h.Depth || h.State == TargetUnknown && h.Doubt != "" {
		return h
	}
	h.State, h.Depth = TargetState(h.Drift), 0
	return h
}

// secondLook asks for the look that is to agree with one that is in doubt; else it waits until a time.
func (v *View) secondLook(until time.Time) Action {
	var doubted []Target
	for _, t := range v.Plan.Targets {
		h := v.Seen.Health.At(t.Location)
		if h.Doubt == "" || v.Seen.InspectingOptional.At(t.Location) {
			continue
		}
		if left := secondLookAfter - (v.Clock.Elapsed - h.DoubtedAt); left > 0 {
			until = earlierOf(until, v.Now.Add(left))
		} else {
			doubted = append(doubted, t)
		}
	}
	if len(doubted) > 0 {
		return Inspect{doubted, DepthRead}
	}
	return Wait{until}
}

// NoteInspection keeps a look at a target, and returns the target's health before and after it.
func (o *Observation) NoteInspection(r *Record, t Target, l Inspection, elapsed time.Duration) (before, after TargetHealth) {
	o.Inspections.Set(t.Location, l)
	drifts := !r.Unfinished() && r.PendingMint == nil
	before = o.Health.At(t.Location)
	after = before.After(l, r.Receipts.At(t.Location), drifts, elapsed)
	switch {
	case l.Err != nil:
		o.Errors.Set(t.Location, l.Err)
	case after.State != TargetUnusable:
		o.Errors.Remove(t.Location)
	}
	if after == (TargetHealth{}) {
		o.Health.Remove(t.Location)
	} else {
		o.Health.Set(t.Location, after)
	}
	return before, after
}

// NoteDelivered forgets what was seen of a target before it acknowledged a value, and returns what its health was.
func (o *Observation) NoteDelivered(t Target) (before TargetHealth) {
	before = o.Health.At(t.Location)
	o.Health.Remove(t.Location)
	o.Errors.Remove(t.Location)
	o.Inspections.Remove(t.Location)
	return before
}

// TakeBack has no target be ill since a time that is yet to come: the clock was set back.
func (o *Observation) TakeBack(now Timestamp) {
	for i := range o.Health {
		o.Health[i].Value.Since = min(o.Health[i].Value.Since, now)
	}
}

// anyDrift reports whether a target lost or changed what was delivered.
func (o *Observation) anyDrift() bool {
	return slices.ContainsFunc(o.Health, func(e LocationEntry[TargetHealth]) bool { return e.Value.Drift != "" })
}

// HealthChange says what a look at a target, or a delivery, brought about that people are told.
type HealthChange string

// The changes.
const (
	Unchanged   HealthChange = ""
	Drifted     HealthChange = "drifted"      // it was found missing or changed: the history and the counter say so, too
	TurnedBad   HealthChange = "turned bad"   // it became unusable, or unknown
	StillUnwell HealthChange = "still unwell" // a probe found it as unhealthy as before
	WellAgain   HealthChange = "well again"
)

// ChangeFrom is what people are told after a look of a depth, or a delivery.
func (h TargetHealth) ChangeFrom(before TargetHealth, d Depth) HealthChange {
	switch {
	case h.Drift != "" && h.Drift != before.Drift:
		return Drifted
	case h.State == before.State:
		if h.State.IsUnhealthy() && d == DepthProbe && h.Depth == before.Depth { // else a look less deep has just told it
			return StillUnwell
		}
		return Unchanged
	case h.State == "":
		return WellAgain
	case h.State == TargetState(h.Drift):
		return Drifted // it was unusable meanwhile
	}
	return TurnedBad
}
