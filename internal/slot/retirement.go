package slot

import (
	"cmp"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// retireTokens revokes an old token that has expired, or whose grace has ended and
// that no required target can be serving.
func (v *View) retireTokens() Action {
	if v.currentExpired() {
		return Revoke{Token: *v.Record.Current, Expired: true}
	}
	var next time.Time
	if sv := v.Record.Current; v.Plan == nil && sv != nil && sv.ID != "" && !sv.Expires.IsZero() {
		next = laterOf(sv.Expires.Time(), v.Seen.NextRetirement.Time()) // nobody renews it any more
	}
	for i := range v.Record.Retiring {
		t := &v.Record.Retiring[i]
		at, expired := v.revocableAt(t)
		if at.IsZero() || at.After(v.Now) {
			next = earlierOf(next, v.sooner(at, t))
			continue
		}
		if until := v.Seen.NextRetirement.Time(); v.Now.Before(until) {
			return Wait{until}
		}
		if v.Seen.Unsaved {
			return Wait{}
		}
		if expired {
			return Revoke{Token: *t, Expired: true}
		}
		if a := v.retireToken(t); !isWait(a) {
			return a
		}
	}
	return Wait{next}
}

// sooner is when a token that is not to be revoked before at is looked at again: an expired one waits for nobody.
func (v *View) sooner(at time.Time, t *Token) time.Time {
	if end := t.Expires.Time(); end.After(v.Now) {
		return earlierOf(at, end)
	}
	return at
}

// retireToken takes an old token a step on its way out: one whose grace has ended, or
// an adopted one, which has none yet.
func (v *View) retireToken(t *Token) Action {
	succeeded := func(h Target) bool { return v.Record.Receipts.At(h.Location).RotationID > t.RotationID }
	switch {
	case t.Retire.IsZero(): // adopted
		return v.revokeUnlessServed(t, BeginGrace{t.withGrace(v.grace(), TimestampOf(v.Now), v.Clock)})
	case v.everyServing(succeeded):
		return v.revokeIfSucceeded(t)
	case v.Record.Current != nil && v.Record.Current.RotationID > t.RotationID && !v.blockedByTokenLimit():
		return Wait{} // the rotation that brings the others a successor comes first
	}
	return v.revokeUnlessServed(t, Revoke{Token: *t})
}

// revokeUnlessServed takes the action when no required target is seen to serve its token. One that
// was adopted may have been served until now: its grace begins. Where one may serve
// it, the rotation that its drift calls for comes first.
func (v *View) revokeUnlessServed(t *Token, then Action) Action {
	if s, ok := v.inspectServing(); !ok {
		return s
	}
	if !v.everyServing(func(h Target) bool { return v.notServing(h, t) }) {
		return Wait{}
	}
	return then
}

// revokeIfSucceeded checks that every required target still holds a successor, then revokes.
func (v *View) revokeIfSucceeded(t *Token) Action {
	if !v.Verifies() {
		return Revoke{Token: *t}
	}
	if s, ok := v.inspectServing(); !ok {
		return s
	}
	for _, h := range v.servingTargets() {
		l := v.Seen.Inspections.At(h.Location)
		kind := DriftOf(v.Record.Receipts.At(h.Location), l)
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
