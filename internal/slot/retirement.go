package slot

import (
	"cmp"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// retireTokens revokes an old token that has expired, or whose grace has ended and
// that no required target can be serving.
func (v *View) retireTokens() Action {
	if v.ClockUnset {
		return Wait{v.Now.Add(askAgainIn)}
	}
	var next time.Time
	if v.Plan == nil { // nobody renews the served one any more
		if a, ok := v.currentFirst(); !ok {
			return a
		}
		next = v.currentExpiry()
	}
	for i := range v.Record.Retiring {
		a := v.afterTakeOver(v.retireOrWait(&v.Record.Retiring[i]))
		wait, nothing := a.(Wait)
		if !nothing {
			return a
		}
		next = earlierOf(next, wait.Until)
	}
	return Wait{next}
}

// orExpiry is when a token that is not to be revoked before at is looked at again: an expired one waits for nobody.
func (v *View) orExpiry(at time.Time, t *Token) time.Time {
	if end := v.expiryAt(t); end.After(v.Now) {
		return earlierOf(at, end)
	}
	return at
}

// currentExpiry is when the served token of a slot that left the configuration is to be revoked.
func (v *View) currentExpiry() time.Time {
	t := v.Record.Current
	if t == nil || t.ID == "" || t.Expires.IsZero() {
		return time.Time{}
	}
	if v.isPutOff(true) {
		return laterOf(v.expiryAt(t), v.Seen.NextRetirement.Time())
	}
	return v.expiryAt(t)
}

// retireOrWait takes an old token a step on its way out, once it may go.
func (v *View) retireOrWait(t *Token) Action {
	at, expired := v.revocableAt(t)
	due := !at.IsZero() && !at.After(v.Now)
	if !due && !v.mayHaveExpired(t) && !v.cannotMeasureGrace(t) {
		return Wait{v.orExpiry(at, t)}
	}
	switch {
	case v.isPutOff(expired):
		return Wait{v.Seen.NextRetirement.Time()}
	case v.Seen.Unsaved:
		return Wait{}
	case due && expired:
		return Revoke{Token: *t, Expired: true}
	case due:
		return v.retireToken(t)
	case v.cannotMeasureGrace(t):
		return BeginGrace{Token: t.withGrace(t.Grace, TimestampOf(v.Now), v.Clock), Anew: true}
	}
	if a, ok := v.sampledFirst(t, StageRetire); !ok {
		return a
	}
	return Wait{earlierOf(at, v.expiryAt(t))}
}

// isPutOff reports whether a token is not to be revoked yet, since a retirement has failed. One for which no target is
// asked does not wait for a target.
func (v *View) isPutOff(asksNoTarget bool) bool {
	return v.waitsUntil(v.Seen.NextRetirement.Time(), fault.LongestBlock) && !(asksNoTarget && v.Seen.TargetFailed)
}

// retireToken takes an old token a step on its way out: one whose grace has ended, or
// an adopted one, which has none yet.
func (v *View) retireToken(t *Token) Action {
	succeeded := func(h Target) bool { return v.Record.Receipts.At(h.Location).RotationID > t.RotationID }
	switch {
	case t.Retire.IsZero(): // adopted
		return v.unlessServed(t, BeginGrace{Token: t.withGrace(v.presentGrace(), TimestampOf(v.Now), v.Clock)})
	case v.everyRequired(succeeded):
		return v.revokeIfSucceeded(t)
	case v.Record.Current != nil && v.Record.Current.RotationID > t.RotationID && !v.blockedByTokenLimit():
		return Wait{} // the rotation that brings the others a successor comes first
	}
	return v.unlessServed(t, Revoke{Token: *t})
}

// unlessServed returns the action when no required target is seen to serve its token. One that
// was adopted may have been served until now: its grace begins. Where one may serve
// it, the rotation that its drift calls for comes first.
func (v *View) unlessServed(t *Token, then Action) Action {
	if s, ok := v.inspectRequired(); !ok {
		return s
	}
	if !v.everyRequired(func(h Target) bool { return v.notServing(h, t) }) {
		return Wait{}
	}
	return then
}

// revokeIfSucceeded checks that every required target still holds a successor, then revokes.
func (v *View) revokeIfSucceeded(t *Token) Action {
	if !v.Verifies() {
		return Revoke{Token: *t}
	}
	if s, ok := v.inspectRequired(); !ok {
		return s
	}
	for _, h := range v.requiredTargets() {
		l := v.Seen.Inspections.At(h.Location)
		kind := driftOf(v.Record.Receipts.At(h.Location), l)
		if kind != "" && (v.showsSuccessor(t, l) || v.blockedByTokenLimit() && v.notServing(h, t)) {
			continue
		}
		if kind != "" || !l.Known {
			return Fail{Stage: StageRetire, Errs: []error{errStillServed(h, kind)}, Targets: []Target{h}}
		}
	}
	return Revoke{Token: *t}
}

func errStillServed(t Target, kind Drift) error {
	return fault.Newf(fault.Retry, fault.Mismatch, "retire old token", t.Sink+" "+t.Target,
		"the target is %s since the last delivery", cmp.Or(string(kind), "unreadable")).
		WithHint("the old token stays until the target is known to hold a newer one")
}

// currentFirst revokes the last token of a slot that left the configuration once it has expired.
func (v *View) currentFirst() (Action, bool) {
	t := v.Record.Current
	switch {
	case t == nil || t.ID == "" || v.isPutOff(true):
		return nil, true
	case v.expired(t):
		return Revoke{Token: *t, Expired: true}, false
	}
	return v.sampledFirst(t, StageRetire)
}
