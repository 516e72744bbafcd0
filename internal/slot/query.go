package slot

import (
	"cmp"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// BlackoutSince is since when the slot's consumers may be locked out (in_place);
// zero when they are not.
func (r *Record) BlackoutSince() time.Time {
	if a := r.PendingMint; a != nil && a.Strategy == moq.InPlace {
		return a.Started.Time()
	}
	if rot := r.Rotation; rot != nil && rot.Strategy == moq.InPlace && rot.Phase == Minted {
		return rot.Started.Time()
	}
	return time.Time{}
}

// LatestID is the greatest rotation id the slot has used.
func (r *Record) LatestID() (id string) {
	id = r.forgotten().ForgottenThrough
	for _, rot := range []*Rotation{r.PendingMint, r.Rotation} {
		if rot != nil {
			id = max(id, rot.ID)
		}
	}
	for _, l := range r.Orphans {
		id = max(id, l.RotationID)
	}
	return id
}

// Unfinished reports whether the latest value is not yet everywhere it is required.
func (r *Record) Unfinished() bool { return r.Rotation != nil && r.Rotation.Phase == Minted }

// mayBeAccepted reports whether the token of a rotation may still be accepted.
func (r *Record) mayBeAccepted(rotationID string) bool {
	if rotationID == "" {
		return false
	}
	if r.Current != nil && r.Current.RotationID == rotationID || r.Rotation.ID == rotationID {
		return true
	}
	return slices.ContainsFunc(r.Retiring, func(t Token) bool { return t.RotationID == rotationID }) ||
		slices.ContainsFunc(r.Orphans, func(l Orphan) bool { return l.RotationID == rotationID })
}

// Label is what the rotation's token is labelled with: under the name that the instance had then.
func (rot *Rotation) Label() string { return moq.Label(rot.Names.Instance, rot.ID) }

// deliversTo reports whether a location is one of the rotation's targets.
func (rot *Rotation) deliversTo(location string) bool {
	return TargetAt(rot.Targets, location) >= 0
}

// DeliveryPending reports whether a value is on its way to the slot's targets, or may be.
func (r *Record) DeliveryPending() bool {
	return r.PendingMint != nil || r.Unfinished() || r.Rotation != nil && len(r.Rotation.Sealed) > 0
}

// PendingOrLatest is the pending mint, else the latest rotation.
func (r *Record) PendingOrLatest() *Rotation {
	if r.PendingMint != nil {
		return r.PendingMint
	}
	return r.Rotation
}

// AtRest reports whether nothing that was begun is still to be brought to an end,
// except by time.
func (r *Record) AtRest() bool {
	rot := r.Rotation
	return r.PendingMint == nil && r.Failure == nil && len(r.Orphans) == 0 && (rot == nil || rot.Phase == Verified && len(rot.Sealed) == 0) &&
		!slices.ContainsFunc(r.Retiring, func(t Token) bool { return t.Retire.IsZero() })
}

// HasTokenWithID reports whether tokens of the slot were made, or seen, that have an id, as only overlap's do.
func (r *Record) HasTokenWithID() bool {
	known := func(t *Token) bool { return t != nil && t.ID != "" }
	return known(r.Current) || r.Rotation != nil && known(r.Rotation.Token) ||
		slices.ContainsFunc(r.Retiring, func(t Token) bool { return known(&t) })
}

// Operations returns the rights of the slot's tokens, those of its latest rotation.
func (r *Record) Operations() []string {
	if rot := r.PendingOrLatest(); rot != nil && len(rot.Operations) > 0 {
		return rot.Operations
	}
	return r.Key.Type.Operations()
}

// Owns reports whether the record accounts for a listed token.
func (r *Record) Owns(t moq.Token) bool {
	switch {
	case r.ownsID(t.ID):
		return true
	case r.PendingMint != nil && t.Label == r.PendingMint.Label():
		return true // its answer is on its way
	}
	return slices.ContainsFunc(r.Orphans, func(l Orphan) bool { return l.Label == t.Label })
}

// ClaimsID reports whether a listed token's id is the one that a value of in_place claims: nothing else tells which it is.
func (r *Record) ClaimsID(id string) bool {
	claims := func(t *Token) bool { return t != nil && t.ClaimedID == id }
	return claims(r.Current) || r.Rotation != nil && claims(r.Rotation.Token)
}

// MayOwn reports whether a listed token is the slot's, or may be: what in_place makes is known by the id that its value
// claims at most, so it goes by when it was made and what it may do.
func (r *Record) MayOwn(t moq.Token) bool {
	made := func(o *Token) bool { return o != nil && o.mayBe(t) }
	nameless := made(r.Current) || r.Rotation != nil && made(r.Rotation.Token) || r.PendingMint.mayHaveMade(t)
	return r.Owns(t) || nameless && t.Label == "" && t.HasOperations(r.Operations())
}

// madeWithin is how far what Cloudflare says of when a token was made may be from what is noted of it.
const madeWithin = time.Minute

// mayBe reports whether a listed token may be this one, of which no id was told.
func (t *Token) mayBe(listed moq.Token) bool {
	made := cmp.Or(t.Clock.Cloudflare, t.Created)
	return t.ID == "" && (t.ClaimedID == listed.ID || Within(made.Time(), listed.Created, madeWithin))
}

// mayHaveMade reports whether a rotate call under way, or one whose answer was lost, may have made a listed token.
func (rot *Rotation) mayHaveMade(t moq.Token) bool {
	if rot == nil || rot.Strategy != moq.InPlace {
		return false
	}
	return !t.Created.Before(cmp.Or(rot.Clock.Cloudflare, rot.Started).Add(-madeWithin).Time())
}

// ownsID reports whether a token's id is one of the slot's.
func (r *Record) ownsID(id string) bool {
	return r.Current != nil && r.Current.ID == id || r.Rotation != nil && r.Rotation.Token != nil && r.Rotation.Token.ID == id ||
		slices.ContainsFunc(r.Retiring, func(o Token) bool { return o.ID == id })
}

// HoldsForeign reports whether a target holds something rotatord did not write there: it is not what some slot of ours
// delivered there last, and none of the slot's own. What changed where the slot's latest rotation goes is drift.
func (r *Record) HoldsForeign(t Target, l Inspection) bool {
	if !l.Exists || !l.Known || l.Ours || r.mayHaveChanged(t.Location) {
		return false
	}
	return !r.hasDelivered(l.Digest)
}

// mayHaveChanged reports whether what a location holds may differ from what is known of it, and be none the less ours to
// write over.
func (r *Record) mayHaveChanged(location string) bool {
	i := r.Receipts.index(location)
	return i >= 0 && (r.Receipts[i].MayHold != "" || r.Rotation != nil && r.Rotation.deliversTo(location))
}

// hasDelivered reports whether a digest is of a content that a target was known to hold.
func (r *Record) hasDelivered(digest []byte) bool {
	return slices.ContainsFunc(r.Receipts, func(rc Receipt) bool { return rc.Matches(digest) })
}

// MayHaveWritten reports whether a content may be what a write to a location brought whose outcome is not known: it is
// one that the slot delivered elsewhere.
func (r *Record) MayHaveWritten(location string, digest []byte) bool {
	served := func(t Token) bool { return t.wasServedAs(digest) }
	return r.Receipts.At(location).MayHold != "" &&
		(r.hasDelivered(digest) || r.Current != nil && served(*r.Current) || slices.ContainsFunc(r.Retiring, served))
}
