package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// TargetState sums up a target in one word; a metric label.
type TargetState string

// The states; a target is in exactly one.
const (
	TargetOK       TargetState = "ok"
	TargetPending  TargetState = "pending"  // a value is on its way to it, or it never got one
	TargetMissing  TargetState = "missing"  // it holds nothing any more
	TargetChanged  TargetState = "changed"  // it holds something else than was delivered
	TargetUnusable TargetState = "unusable" // the store answers, and refuses it
	TargetUnknown  TargetState = "unknown"  // it was not looked at, or its store is down
)

// TargetStates lists them.
func TargetStates() []TargetState {
	return []TargetState{TargetOK, TargetPending, TargetMissing, TargetChanged, TargetUnusable, TargetUnknown}
}

// IsUnhealthy reports whether it takes a rotation or a person to make the target well.
func (s TargetState) IsUnhealthy() bool {
	return s == TargetMissing || s == TargetChanged || s == TargetUnusable
}

// stateUnder is the state of a target that a look failed on. A store that is down says nothing of it, nor does one
// that limits calls; one that refuses the login does, which sinks.isUp and rotation.upstreamStateOf call down: a person has
// to act. cf.accountState is of accounts. docs/metrics.md has the four side by side.
func stateUnder(err error) TargetState {
	switch f := fault.Of(err); f.Reason {
	case fault.Unreachable, fault.Timeout, fault.ServerError, fault.RateLimited, fault.BadAnswer, fault.Setup,
		fault.Canceled, fault.Internal:
		return TargetUnknown
	case fault.Storage: // a disk in trouble that may end by itself
		if f.Class == fault.Retry {
			return TargetUnknown
		}
	}
	return TargetUnusable
}

// targetState is the state of a target, and since when it lasts; zero where nobody can say.
func (v *View) targetState(t Target) (TargetState, Timestamp) {
	r, rc, h := v.Record, v.Record.Receipts.At(t.Location), v.Seen.Health.At(t.Location)
	blackout := TimestampOf(r.BlackoutSince())
	switch {
	case r.PendingMint != nil && !blackout.IsZero():
		return TargetPending, blackout
	case v.isOnItsWay(t):
		return TargetPending, r.Rotation.MintedAt
	case !blackout.IsZero():
		return TargetUnknown, rc.At // it acknowledged the value, and is looked at again once all have it
	case h.State != "":
		return h.State, h.Since
	case rc.RotationID == "":
		return TargetPending, 0
	case v.Sightings.Index(t.Location) < 0:
		return TargetUnknown, 0
	}
	return TargetOK, 0
}

// isOnItsWay reports whether a value is on its way to a target.
func (v *View) isOnItsWay(t Target) bool {
	rot := v.Record.Rotation
	return rot != nil && (v.Record.Unfinished() || len(rot.Sealed) > 0) &&
		(rot.deliversTo(t.Location) || v.isCorrected(rot, t.Location)) &&
		v.Record.Receipts.At(t.Location).RotationID != rot.ID
}

// Repair says when a target that lost or changed what was delivered gets a value again; "" of any other.
func (v *View) Repair(t Target, s TargetState) string {
	if v.Plan == nil || s != TargetMissing && s != TargetChanged {
		return ""
	}
	how, next := "", v.nextDue().At
	if v.Plan.Strategy == moq.InPlace {
		how = " (in_place)" // which cannot bring it the present value
	} else if t.Required && v.Plan.Schedule == nil {
		next = earlierOf(next, v.driftPeriodStart().Add(driftDay)) // its drift counts anew then
	}
	attempt, waits := v.Record.retryAt(v.Now)
	switch {
	case next.IsZero():
		return "with the next rotation" + how
	case next.After(v.Now):
		return "at the next rotation, " + dayAndTime(next) + how
	case waits:
		return "with the next attempt, " + dayAndTime(attempt)
	case !v.graceAwaitedUntil().IsZero():
		return "once there is room for a token, " + dayAndTime(v.graceAwaitedUntil())
	case v.waitsForRoom():
		return "once the relay has room for a token"
	}
	return "now"
}

func dayAndTime(t time.Time) string { return UTC(t).Format("Mon 2006-01-02 15:04") + "Z" }
