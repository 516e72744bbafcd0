package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// reclaimListed revokes the listed tokens of lost mints, if no required target can have
// served them; else they are kept until their graces have passed. After a revocation that failed
// it waits like any other.
func (v *View) reclaimListed() (Action, bool) {
	if s, ok := v.revokeRefused(); !ok {
		return s, false
	}
	if !v.Seen.Listing.fresh(v.Now) {
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
	if until := v.Seen.NextRetirement.Time(); v.Now.Before(until) {
		return Wait{until}, false
	}
	l := v.Record.Orphans[i]
	return RevokeOrphan{l, Token{ID: l.TokenID, RotationID: l.RotationID}}, false
}

// reclaim takes a token of a lost mint a step on its way out. There may be several: a call that was sent
// again on its way makes two.
func (v *View) reclaim(l Orphan, t moq.Token) Action {
	tok := Token{ID: t.ID, RotationID: l.RotationID, Created: TimestampOf(t.Created), Expires: TimestampOf(t.Expires)}
	if until := v.Seen.NextRetirement.Time(); v.Now.Before(until) {
		return Wait{until}
	}
	if !l.Crashed { // its value never came: no target can have it
		return RevokeOrphan{l, tok}
	}
	if s, ok := v.inspected(v.servingTargets(), DepthRead); !ok {
		return s
	}
	if v.everyServing(func(h Target) bool { return v.neverReceived(h, &tok) }) {
		return RevokeOrphan{l, tok}
	}
	return AdoptOrphan{l, tok}
}

// reclaimOrphans looks for the tokens of lost mints again and again for a day; once one was found, for a
// minute more, since there may be another.
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
		if v.presence(l.Label, l.latest()) == Absent {
			return ForgetOrphan{l}
		}
		next = earlierOf(next, v.nextReclaimAt(l))
	}
	if !next.After(v.Now) {
		return List{StageRetire}
	}
	return Wait{next}
}

// latest is when a token of a lost mint may turn up last.
func (l Orphan) latest() time.Time {
	if !l.Found.IsZero() {
		return l.Found.Time()
	}
	return l.At.Add(lostFor)
}

// nextReclaimAt doubles the time between two looks for a lost mint. Once it can no longer turn up, lists are
// made until they agree, ever more seldom.
func (v *View) nextReclaimAt(l Orphan) time.Time {
	last, end := v.Seen.LastListing.Time(), l.latest().Add(lagging)
	if last.After(end) {
		return last.Add(max(listsApart, last.Sub(end)))
	}
	gap := max(time.Minute, 2*last.Sub(l.At))
	return earlierOf(l.At.Add(gap), end.Add(time.Second))
}

// FindOrphan notes that a token of a lost mint turned up, and was revoked or kept. One that came and was
// refused is all there is of its mint, which is forgotten.
func (r *Record) FindOrphan(label string, at time.Time) {
	i := slices.IndexFunc(r.Orphans, func(l Orphan) bool { return l.Label == label })
	switch {
	case i < 0:
	case r.Orphans[i].TokenID != "":
		r.ForgetOrphan(label)
	default:
		r.Orphans[i].Found = TimestampOf(at)
	}
}

// orphansAtLarge counts the lost mints of which no token was found.
func (r *Record) orphansAtLarge() (n int) {
	for _, l := range r.Orphans {
		if l.Found.IsZero() {
			n++
		}
	}
	return n
}
