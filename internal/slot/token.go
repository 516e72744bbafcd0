package slot

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// BeforeRenewal reports whether more than a third of the token's life is left.
func (t *Token) BeforeRenewal(now time.Time) bool {
	return t.Expires.IsZero() || now.Before(t.renewalAt())
}

// renewalAt is when a third of the token's life is left.
func (t *Token) renewalAt() time.Time { return (t.Expires - (t.Expires-t.Created)/3).Time() }

// ShownID is the token's id as people and consumers see it.
func (t *Token) ShownID() string { return cmp.Or(t.ID, t.ClaimedID) }

// Token is a token that rotatord minted (or may retire), without its value.
type Token struct {
	ID         string    `json:"id,omitempty"`         // jti; empty for in_place, and of one that was revoked
	ClaimedID  string    `json:"claimed_id,omitempty"` // of in_place: the id that its value claims
	RotationID string    `json:"rotation_id,omitempty"`
	Created    Timestamp `json:"created"`
	Expires    Timestamp `json:"expires,omitzero"`
	ValueSize  int       `json:"value_size,omitempty"` // in bytes: the next value is about as long

	// Retire is when the token's grace ends, as our clock said when it began; zero while it has none: it is served,
	// its rotation is not verified or was superseded, or it was adopted from a lost mint.
	Retire Timestamp `json:"retire,omitzero"`
	// Clock is the reading at which the grace began; before, the one at which the token was minted.
	Clock Reading `json:"clock,omitzero"`
	// Grace is the elapsed time that must have passed since Clock.
	Grace time.Duration `json:"grace,omitempty"`
	// ServedDigests are the digests of what targets held with this token while it was served.
	ServedDigests [][]byte `json:"held,omitempty"`
	// Compromised tokens are revoked even if a target that left the
	// configuration may still hold them.
	Compromised bool `json:"forced,omitempty"`
	// Matched marks a token that retire: matching has the slot revoke.
	Matched bool `json:"not_ours,omitempty"`
}

// mintedAt is the reading at which the token was minted; none once its grace has begun.
func (t *Token) mintedAt() Reading {
	if !t.Retire.IsZero() {
		return Reading{}
	}
	return t.Clock
}

// wasServedAs reports whether a digest is of what a target held with the token while it was served.
func (t *Token) wasServedAs(digest []byte) bool {
	return slices.ContainsFunc(t.ServedDigests, func(d []byte) bool { return bytes.Equal(d, digest) })
}
