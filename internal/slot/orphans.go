package slot

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// reclaimListed revokes the listed tokens of lost mints, if no required target can have
// served them; else they are kept until their graces have passed. After a revocation that failed
// it waits like any other.
func (v *View) reclaimListed() (Action, bool) {
	if s, ok := v.revokeRefused(); !ok {
		return s, false
	}
	if !v.Seen.Listing.isRecent(v.Now) {
		return nil, true
	}
	for _, l := range v.Record.Orphans {
		for _, t := range v.Seen.Listing.Tokens {
			if t.Label == l.Label && !v.Record.ownsID(t.ID) {
				return v.reclaim(l, t), false
			}
		}
	}
	return nil, true
}

// revokeRefused revokes a token that came and was refused: nobody was given it.
func (v *View) revokeRefused() (Action, bool) {
	i := slices.IndexFunc(v.Record.Orphans, func(l Orphan) bool { return l.TokenID != "" })
	if i < 0 {
		return nil, true
	}
	if v.isPutOff(true) {
		return Wait{v.Seen.NextRetirement.Time()}, false
	}
	l := v.Record.Orphans[i]
	return RevokeOrphan{l, Token{ID: l.TokenID, RotationID: l.RotationID}}, false
}

// reclaim takes a token of a lost mint a step on its way out. There may be several: a call that was sent
// again on its way makes two.
func (v *View) reclaim(l Orphan, t moq.Token) Action {
	tok := Token{ID: t.ID, RotationID: l.RotationID, Created: TimestampOf(t.Created), Expires: TimestampOf(t.Expires)}
	if v.isPutOff(!l.Crashed) {
		return Wait{v.Seen.NextRetirement.Time()}
	}
	if !l.Crashed { // its value was given to no target
		return RevokeOrphan{l, tok}
	}
	if s, ok := v.inspectedFirst(v.requiredTargets(), DepthRead); !ok {
		return s
	}
	if s, ok := v.secondLookFirst(l); !ok {
		return s
	}
	// Where lists lagged, a newer value may have taken its place only now: it has a grace, unless it is known to others.
	rot := v.Record.Rotation
	newer := rot != nil && rot.ID > l.RotationID && rot.Cause != CauseCompromised
	never := func(h Target) bool { return v.neverReceived(h, &tok) || v.holdsAsBefore(h, l) }
	switch {
	case newer || v.leftToExpire(&tok):
	case v.everyRequired(never):
		return v.onceSettled(RevokeOrphan{l, tok})
	case v.onlySilenceHides(never):
		return v.failOn(StageRetire, v.failedInspection(v.requiredTargets()))
	}
	return AdoptOrphan{l, tok}
}

// onlySilenceHides reports whether required targets that do not answer are all that speaks for keeping the token of a lost
// mint, beside three tokens. They are looked at again, for as long as it takes: what could be minted meanwhile would be a
// fourth, which needs an answer of each as well. Kept, the token would take that place for its grace.
func (v *View) onlySilenceHides(never func(Target) bool) bool {
	mayHave := func(h Target) bool { return !never(h) }
	return v.Plan != nil && v.isFourth() && !slices.ContainsFunc(v.reachable(v.requiredTargets()), mayHave)
}

// reclaimOrphans looks for the tokens of lost mints again and again for a day; once one was found, for a
// minute more, since there may be another.
func (v *View) reclaimOrphans() Action {
	if len(v.Record.Orphans) == 0 || v.Seen.Unsaved {
		return Wait{}
	}
	if v.ClockUnset {
		return Wait{v.Now.Add(askAgainIn)}
	}
	if until := v.Seen.NextReclaim.Time(); v.waitsUntil(until, fault.LongestBlock) {
		return Wait{until}
	}
	if s, ok := v.reclaimListed(); !ok {
		return s
	}
	next, found := time.Duration(0), false
	for _, l := range v.Record.Orphans {
		if v.presence(l.Label, v.lateFor(l)) == Absent {
			return ForgetOrphan{l}
		}
		if left := v.nextSearch(l); !found || left < next {
			next, found = left, true
		}
	}
	if next <= 0 {
		return List{StageRetire}
	}
	return Wait{v.Now.Add(next)}
}

// lateFor is for how long no token of a lost mint can have turned up any more; negative while one still can.
func (c *Times) lateFor(l Orphan) time.Duration {
	if !l.TurnedUp.IsZero() {
		since, _ := c.passedSince(l.TurnedUpClock)
		return since
	}
	lost, _ := c.passedSince(l.Clock)
	return lost - lostFor
}

// nextSearch is in how much time a lost mint is looked for again. The time between two looks doubles, as long as its
// token can turn up; then lists are made until they agree, ever more seldom.
func (v *View) nextSearch(l Orphan) time.Duration {
	lost, _ := v.passedSince(l.Clock)
	lookedAfter, pastWindow, sinceList := time.Duration(0), v.lateFor(l)-lagging, time.Duration(0)
	if v.Seen.LastListing > 0 {
		sinceList = v.Clock.Elapsed - v.Seen.LastListing
		lookedAfter = lost - sinceList
	}
	if v.Seen.LastListing > 0 && pastWindow > sinceList {
		return max(listsApart, pastWindow-sinceList) - sinceList
	}
	return min(max(time.Minute, 2*lookedAfter)-lost, time.Second-pastWindow)
}

// NoteOrphanTurnedUp notes that a token of a lost mint turned up, and was revoked or kept. One that came and was
// refused is all there is of its mint, which is forgotten.
func (r *Record) NoteOrphanTurnedUp(label string, at time.Time, clock Reading) {
	i := slices.IndexFunc(r.Orphans, func(l Orphan) bool { return l.Label == label })
	switch {
	case i < 0:
	case r.Orphans[i].TokenID != "":
		r.ForgetOrphan(label)
	default:
		r.Orphans[i].TurnedUp, r.Orphans[i].TurnedUpClock = TimestampOf(at), clock
	}
}

// orphansNote says which mints are not seen to an end yet: lost ones whose token did not turn up, and tokens that came,
// were refused and are not revoked.
func (r *Record) orphansNote() string {
	var lost, refused int
	for _, l := range r.Orphans {
		switch {
		case l.TokenID != "":
			refused++
		case l.TurnedUp.IsZero():
			lost++
		}
	}
	switch {
	case lost > 0:
		return fmt.Sprintf("%d mint(s) with a lost answer are being looked for", lost)
	case refused > 0:
		return fmt.Sprintf("%d new token(s) that were refused are to be revoked", refused)
	}
	return ""
}

// holdsAsBefore reports whether a target is seen to hold what it held before a mint that a crash cut off.
func (v *View) holdsAsBefore(t Target, l Orphan) bool {
	look := v.Seen.Inspections.At(t.Location)
	return look.Err == nil && look.Known && !v.showsWhatMayBePast(t, look) &&
		slices.ContainsFunc(l.Before, func(f Found) bool { return f.Location == t.Location && bytes.Equal(f.Digest, look.Digest) })
}

// secondLookFirst has a store that may answer stale looked at twice before it tells that the token of a mint that a
// crash cut off has not come there.
func (v *View) secondLookFirst(l Orphan) (Action, bool) {
	doubted := func(e LocationEntry[TargetHealth]) bool { return e.Value.Doubt != "" }
	if v.Plan == nil || len(l.Before) == 0 || !slices.ContainsFunc(v.Seen.Health, doubted) {
		return nil, true
	}
	return v.secondLook(time.Time{}), false
}
