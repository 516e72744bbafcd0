package slot

import (
	"github.com/rotatord/rotatord/internal/moq"
)

// startDue starts a rotation that is due.
func (v *View) startDue() Action {
	d := v.nextDue()
	if d.Cause == "" || d.At.After(v.Now) {
		return Wait{d.At}
	}
	if until, shut := v.Record.retryAt(v.Now); shut {
		return Wait{until}
	}
	if until := v.fullRelayUntil(); !until.IsZero() {
		return Wait{until}
	}
	if v.JournalDown || v.Seen.Unsaved {
		return Wait{}
	}
	if v.ClockUnset && v.Record.BlackoutSince().IsZero() {
		return Wait{v.Now.Add(askAgainIn)}
	}
	if a := v.Record.PendingMint; a != nil {
		return v.reserveBefore(Mint{d}) // a rotate call was lost: consumers are locked out, and nothing is looked at first
	}
	if d.Cause == CauseSchedule && v.awaitsTime() {
		return Wait{v.Now.Add(samplesApart)}
	}
	for _, check := range []func(*View) (Action, bool){(*View).tokenLimitFirst, (*View).listedFirst, (*View).reclaimedFirst, (*View).placesKnownFirst} {
		if s, ok := check(v); !ok {
			return s
		}
	}
	if v.isFourth() {
		d = v.dueByItself() // a fourth is made for nothing else (fourthToken), whatever was asked for
	}
	return v.reserveBefore(v.trialBefore(v.proofBefore(Mint{d})))
}

// reserveBefore puts the wait for the budget before a: what is seen before a mint must
// not be stale when its turn comes.
func (v *View) reserveBefore(a Action) Action {
	switch {
	case v.Seen.Reserved:
		return a
	case v.Seen.Reserving:
		return Wait{}
	}
	return Reserve{}
}

// trialBefore puts a trial of every required target before a.
func (v *View) trialBefore(a Action) Action {
	targets := RequiredOf(v.Plan.Targets)
	if unseen := v.uninspected(targets, DepthTrial); len(unseen) > 0 {
		return Inspect{append(unseen, optionalOf(v.Plan.Targets)...), DepthTrial}
	}
	failed := v.failedInspection(targets)
	if len(failed) > 0 && (len(failed) == len(targets) || !v.mintsForSome()) {
		return v.failOn(StagePreflight, failed)
	}
	return a
}

// mintsForSome reports whether it is enough that some required targets answer: the next rotation takes the place of an
// unfinished one, or the token that they serve nears its expiry.
func (v *View) mintsForSome() bool {
	t := v.Record.Current
	return v.Record.Unfinished() || v.Plan.Strategy == moq.Overlap && t != nil && !t.BeforeRenewal(v.timeOf(t))
}

// proofBefore puts proof that calls reach Cloudflare before a, the rotate call that begins a
// rotation: behind a wrong address or a portal its answer would prove nothing, and the
// consumers would count as locked out.
func (v *View) proofBefore(a Action) Action {
	if v.Plan.Strategy != moq.InPlace || Within(v.Seen.Proved.Time(), v.Now, provenFor) {
		return a
	}
	return Prove{}
}

// reclaimedFirst deals with the tokens of lost mints before another one is minted.
func (v *View) reclaimedFirst() (Action, bool) {
	if v.Plan.Strategy != moq.Overlap {
		return nil, true
	}
	a, ok := v.reclaimListed()
	if !ok && !isWait(a) && isWait(v.afterTakeOver(a)) {
		return nil, true // the mint goes on beside it: it is revoked once no call of the former leader can come any more
	}
	return a, ok
}
