package slot

import "time"

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
