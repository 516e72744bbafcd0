package slot

import (
	"slices"
	"time"
)

// showsSuccessor reports whether a target shows a newer token of the slot than t, though
// another than is known to have been delivered there.
func (v *View) showsSuccessor(t *Token, l Inspection) bool {
	newer := func(o *Token) bool { return o.RotationID > t.RotationID && slices.Contains(l.TokenIDs, o.ID) }
	return v.Record.Current != nil && newer(v.Record.Current) || slices.ContainsFunc(v.Record.Retiring, func(o Token) bool { return newer(&o) })
}

// notServing reports whether a target is seen not to hold the token now, whatever it held before.
func (v *View) notServing(h Target, t *Token) bool {
	l := v.Seen.Inspections.At(h.Location)
	gone := !l.Exists || len(t.ServedDigests) > 0 && !t.wasServedAs(l.Digest)
	return l.Err == nil && l.Known && gone || v.neverReceived(h, t)
}

// neverReceived reports whether a target cannot have got the token: it is seen to hold
// what was delivered last, nothing when nothing was, or another listed token.
func (v *View) neverReceived(h Target, t *Token) bool {
	l, rc := v.Seen.Inspections.At(h.Location), v.Record.Receipts.At(h.Location)
	switch {
	case l.Err != nil || !l.Known:
		return false
	case v.Seen.Listing.hasTokenIn(l):
		return !slices.Contains(l.TokenIDs, t.ID)
	case !l.Exists:
		return rc.RotationID == ""
	}
	return rc.RotationID != "" && rc.RotationID != t.RotationID && driftOf(rc, l) == ""
}

func (v *View) everyRequired(ok func(Target) bool) bool {
	return !slices.ContainsFunc(v.requiredTargets(), func(h Target) bool { return !ok(h) })
}

// inspectRequired looks at the required targets before a token goes; all must answer.
func (v *View) inspectRequired() (Action, bool) {
	holders := v.requiredTargets()
	if s, ok := v.inspectedFirst(holders, DepthRead); !ok {
		return s, false
	}
	if failed := v.failedInspection(holders); len(failed) > 0 {
		return v.failOn(StageRetire, failed), false
	}
	return nil, true
}

// servesNobody reports whether a target was seen a moment ago to serve no token that works.
func (v *View) servesNobody(t Target) bool {
	at, known := v.deadFrom(t)
	return known && at.IsZero()
}

// lockedOutFrom is from when on no target serves a token that works, as far as the targets were seen a moment ago;
// zero when none does already.
func (v *View) lockedOutFrom(targets []Target) (at time.Time, known bool) {
	for _, t := range targets {
		dead, ok := v.deadFrom(t)
		if !ok {
			return time.Time{}, false
		}
		at = laterOf(at, dead)
	}
	return at, true
}

// deadFrom is from when on a target serves no token that works: it holds nothing, or exactly one of ours that
// expires; zero when it serves none already. What is not ours may work for ever.
func (v *View) deadFrom(t Target) (at time.Time, known bool) {
	l := v.Seen.Inspections.At(t.Location)
	switch {
	case !l.isFresh(v.Now) || l.Err != nil || !l.Known || v.showsWhatMayBePast(t, l):
		return time.Time{}, false
	case !l.Exists:
		return time.Time{}, true
	}
	for _, token := range v.knownTokens() {
		if v.showsToken(t, l, token) {
			return v.endOf(token)
		}
	}
	return time.Time{}, false
}

// showsWhatMayBePast reports whether a store that may answer stale shows something else than what was delivered, or may
// have been, and no second look has agreed: what was delivered may be there.
func (v *View) showsWhatMayBePast(t Target, l Inspection) bool {
	rc := v.Record.Receipts.At(t.Location)
	drift, written := driftOf(rc, l), rc.RotationID == "" && len(rc.MayAlsoHold) > 0
	return l.MayBeStale && (written || drift != "" && drift != v.Seen.Health.At(t.Location).Drift)
}

// showsToken reports whether a look at a target shows just what was delivered of a token.
func (v *View) showsToken(t Target, l Inspection, token *Token) bool {
	rc := v.Record.Receipts.At(t.Location)
	return rc.RotationID == token.RotationID && rc.Matches(l.Digest) || token.wasServedAs(l.Digest)
}

// endOf is from when on a token of ours is surely refused: zero when it is already.
func (v *View) endOf(t *Token) (at time.Time, known bool) {
	age := v.timeOf(t).Sub(t.Created.Time())
	if v.expired(t) || v.presence(t.ID, age) == Absent {
		return time.Time{}, true
	}
	return v.expiryAt(t), t.Expires != 0 && !v.seemsExpired(t)
}

// knownTokens are all tokens of the slot that targets may have been given.
func (v *View) knownTokens() (known []*Token) {
	if v.Record.Current != nil {
		known = append(known, v.Record.Current)
	}
	if v.Record.Unfinished() {
		known = append(known, v.Record.Rotation.Token)
	}
	for i := range v.Record.Retiring {
		known = append(known, &v.Record.Retiring[i])
	}
	return known
}
