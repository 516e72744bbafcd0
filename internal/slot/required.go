package slot

import (
	"slices"

	"github.com/rotatord/rotatord/internal/moq"
)

// deliverRequired brings the value at hand to every required target.
func (v *View) deliverRequired() Action {
	rot := v.Record.Rotation
	if v.Record.PendingMint != nil || !v.Record.Unfinished() {
		return Wait{}
	}
	missing := v.TargetsLacking(rot, true)
	if len(missing) == 0 && v.mayConclude() {
		return Conclude{}
	}
	if until, shut := v.Record.retryAt(v.Now); shut {
		return Wait{until}
	}
	if v.givesWay() {
		return Wait{}
	}
	if s, ok := v.redirectFirst(rot); !ok {
		return s
	}
	if len(missing) == 0 { // the graces of the former tokens do not begin before this one is known to be there
		return v.listedAgain(StageDeliver)
	}
	if missing = rot.ownTargets(missing); len(missing) == 0 {
		return v.failOn(StageDeliver, v.failedInspection(v.correctedTargets(rot)))
	}
	for _, check := range []func([]Target) (Action, bool){v.judgeFirst, v.inspectBeforeResuming, v.settledFirst} {
		if s, ok := check(missing); !ok {
			return s
		}
	}
	if rot.Strategy == moq.Overlap && !Within(v.Seen.NotGoneAt.Time(), v.Now, NotGoneFor) {
		return v.listBeforeDelivery(missing)
	}
	if rot.Strategy == moq.Overlap && v.hasEndedAtCloudflare(rot.Token) {
		return v.deliverEnded(missing)
	}
	if v.isUnlisted() || v.mayHaveBeenRevoked() {
		return v.deliverUnconfirmed(missing)
	}
	return v.deliverTo(missing)
}

// mayConclude reports whether neither a list nor a target speaks against the latest value.
func (v *View) mayConclude() bool {
	rot := v.Record.Rotation
	gone := rot.Strategy == moq.Overlap && v.Seen.Gone == rot.ID
	return !rot.GivenUp && !gone && !v.isUnlisted()
}

// deliverUnconfirmed delivers a value whose token a list lacks, or shows no longer than it may lag. But it is not written
// over what the journal does not know: where that was restored from a backup, it is a newer value. The lists that
// follow confirm it, or show it to be gone.
func (v *View) deliverUnconfirmed(missing []Target) Action {
	if s, ok := v.inspectedFirst(missing, DepthRead); !ok {
		return s
	}
	answering := v.reachable(missing)
	if len(answering) == 0 {
		return v.failOn(StageDeliver, missing)
	}
	known := slices.DeleteFunc(answering, v.holdsUnknown)
	if len(known) == 0 {
		return v.listedAgain(StageDeliver)
	}
	return Deliver{Targets: known}
}

// deliverEnded delivers a value whose token has expired by Cloudflare's time, and not by our clock, which may be right: only
// where no token works that it could replace. Elsewhere a newer one is waited for.
func (v *View) deliverEnded(missing []Target) Action {
	if s, ok := v.inspectedFirst(missing, DepthRead); !ok {
		return s
	}
	unserved := slices.DeleteFunc(missing, func(t Target) bool { return !v.servesNobody(t) })
	if len(unserved) == 0 {
		return Wait{v.expiryAt(v.Record.Rotation.Token)}
	}
	return Deliver{Targets: unserved}
}

// holdsUnknown reports whether a target is seen to hold neither what some slot of ours delivered there last nor a token of
// this one.
func (v *View) holdsUnknown(t Target) bool {
	l := v.Seen.Inspections.At(t.Location)
	known := l.Ours || v.Record.Receipts.At(t.Location).Matches(l.Digest)
	ours := func(id string) bool { return slices.Contains(l.TokenIDs, id) }
	return v.showsContent(t) && !known && !slices.ContainsFunc(v.unexpiredIDs(), ours)
}

// givesWay reports whether an unfinished rotation leaves the turn to a newer one.
// When that one just failed to start, the value at hand is still the best there is.
func (v *View) givesWay() bool {
	if v.valueIsGone() {
		return true
	}
	if v.Plan == nil || v.supersedeCause() == "" {
		return false
	}
	if !v.fullRelayUntil().IsZero() {
		return false // the relay is full
	}
	f := v.Record.Failure
	return f == nil || f.Stage != StagePreflight && f.Stage != StageMint
}

// valueIsGone reports whether the latest value can no longer be had, or is of no use: its token has expired, or it was
// given up.
func (v *View) valueIsGone() bool {
	rot := v.Record.Rotation
	return rot.GivenUp || v.Seen.Gone == rot.ID || v.expired(rot.Token)
}

// listBeforeDelivery finds out which of the missing targets answer and whether the token is
// still accepted, before a dead one is brought to a consumer.
func (v *View) listBeforeDelivery(missing []Target) Action {
	if s, ok := v.inspectedFirst(missing, DepthRead); !ok {
		return s
	}
	if answering := v.reachable(missing); len(answering) == 0 {
		return v.failOn(StageDeliver, missing)
	}
	return List{StageDeliver}
}

// deliverTo goes to the required targets that miss the value, except those seen a
// moment ago not to answer; the optional ones are served on the side.
func (v *View) deliverTo(missing []Target) Action {
	if answering := v.reachable(missing); len(answering) > 0 {
		missing = answering
	}
	rot := v.Record.Rotation
	return Deliver{missing, v.NeedsJudging(rot) && !v.isVouchedFor(rot)}
}

// inspectBeforeResuming has a delivery that another process began look first whose the places are. In a blackout
// nothing is waited for; what is written over is looked at then.
func (v *View) inspectBeforeResuming(missing []Target) (Action, bool) {
	if v.Record.Rotation.Strategy == moq.InPlace {
		return nil, true
	}
	targets := missing
	if v.Plan != nil {
		targets = RequiredOf(v.Plan.Targets)
	}
	if !v.Inspected {
		if s, ok := v.inspectedFirst(targets, DepthProbe); !ok {
			return s, false
		}
	}
	return v.othersInspectedFirst(missing)
}
