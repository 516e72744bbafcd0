package slot

import (
	"github.com/rotatord/rotatord/internal/moq"
)

// fourthToken reports whether a rotation that would make a fourth token is made all the same: it is due by itself, and
// nobody is served, as the required targets were seen a moment ago. It has them read first; a token that may go, goes.
// Neither an action nor true: the fourth token is not made.
func (v *View) fourthToken() (Action, bool) {
	if !v.isFourthDue() {
		return nil, false
	}
	if s, ok := v.inspectedFirst(v.requiredTargets(), DepthRead); !ok {
		return s, false
	}
	if !v.everyRequired(v.servesNobody) {
		return nil, false
	}
	if a := v.retireTokens(); !isWait(a) {
		return a, false
	}
	return nil, true
}

// isFourthDue reports whether a rotation that would make a fourth token is due by itself.
func (v *View) isFourthDue() bool {
	d := v.dueByItself()
	return v.isFourth() && v.Verifies() && d.Cause != "" && !d.At.After(v.Now)
}

// waitsForNoGrace reports whether a rotation would make a fourth token, and is to make it as far as is known: what was
// seen to be missing stays so until it is seen to be well.
func (v *View) waitsForNoGrace() bool {
	mayServeNobody := func(t Target) bool {
		return v.Seen.Health.At(t.Location).Drift == DriftMissing || v.servesNobody(t)
	}
	return v.isFourthDue() && v.everyRequired(mayServeNobody)
}

// isFourth reports whether the next mint makes a fourth token.
func (v *View) isFourth() bool {
	return v.Plan.Strategy == moq.Overlap && v.countLiveTokens() == MaxTokens
}

// dueByItself is why a rotation would be started if nobody had asked for one. Who asked to end a compromise has no
// graces to wait for.
func (v *View) dueByItself() Due {
	if q := v.Record.Request; q != nil && q.Compromised {
		return Due{}
	}
	return v.asIf(func(r *Record) { r.Request = nil }).nextDue()
}

// foundUnserved is what required targets, which serve nobody, hold that was not delivered there: as long as they hold it,
// the token that is minted now has not come there.
func (v *View) foundUnserved() (out []Found) {
	for _, t := range RequiredOf(v.Plan.Targets) {
		if l := v.Seen.Inspections.At(t.Location); driftOf(v.Record.Receipts.At(t.Location), l) != "" {
			out = append(out, Found{t.Location, l.Digest})
		}
	}
	return out
}
