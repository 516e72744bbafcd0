package slot

import (
	"slices"
	"time"
)

// reclaimListed revokes the listed token of a lost mint, if no required target can have
// served it; else it is kept until its grace has passed. After a revocation that failed
// it waits like any other.
func (v *View) reclaimListed() (Action, bool) {
	if s, ok := v.revokeRefused(); !ok {
		return s, false
	}
	if !v.Seen.Listing.fresh(v.Now) {
		return nil, true
	}
	for _, l := range v.Record.Orphans {
		t, ok := v.Seen.Listing.byLabel(l.Label)
		if !ok {
			continue
		}
		tok := Token{ID: t.ID, RotationID: l.RotationID, Created: TimestampOf(t.Created), Expires: TimestampOf(t.Expires)}
		if until := v.Seen.NextRetirement.Time(); v.Now.Before(until) {
			return Wait{until}, false
		}
		if !l.Crashed { // its value never came: no target can have it
			return RevokeOrphan{l, tok}, false
		}
		if s, ok := v.inspected(v.servingTargets(), DepthRead); !ok {
			return s, false
		}
		if v.everyServing(func(h Target) bool { return v.neverReceived(h, &tok) }) {
			return RevokeOrphan{l, tok}, false
		}
		return AdoptOrphan{l, tok}, false
	}
	return nil, true
}

// revokeRefused revokes a token that came and was refused: nobody was given it.
func (v *View) revokeRefused() (Action, bool) {
	i := slices.IndexFunc(v.Record.Orphans, func(l Orphan) bool { return l.TokenID != "" })
	if i < 0 {
		return nil, true
	}
	if until := v.Seen.NextRetirement.Time(); v.Now.Before(until) {
		return Wait{until}, false
	}
	l := v.Record.Orphans[i]
	return RevokeOrphan{l, Token{ID: l.TokenID, RotationID: l.RotationID}}, false
}

// reclaimOrphans looks for the tokens of lost mints again and again for a day.
func (v *View) reclaimOrphans() Action {
	if len(v.Record.Orphans) == 0 || v.Seen.Unsaved {
		return Wait{}
	}
	if until := v.Seen.NextReclaim.Time(); v.Now.Before(until) {
		return Wait{until}
	}
	if s, ok := v.reclaimListed(); !ok {
		return s
	}
	var next time.Time
	for _, l := range v.Record.Orphans {
		end := l.At.Add(lostFor)
		if v.Seen.LastListing.Time().After(end) {
			return ForgetOrphan{l}
		}
		next = earlierOf(next, nextReclaimAt(l, v.Seen.LastListing.Time()))
	}
	if !next.After(v.Now) {
		return List{StageRetire}
	}
	return Wait{next}
}

// nextReclaimAt doubles the time between two looks for a lost mint, up to the last one after a day.
func nextReclaimAt(l Orphan, swept time.Time) time.Time {
	gap := max(time.Minute, 2*swept.Sub(l.At))
	return l.At.Add(min(gap, lostFor+time.Second))
}
