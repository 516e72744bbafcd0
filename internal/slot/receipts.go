package slot

import (
	"bytes"
	"slices"
)

// Matches reports whether a digest is of what was delivered.
func (rc Receipt) Matches(digest []byte) bool {
	return rc.RotationID != "" && bytes.Equal(rc.Digest, digest)
}

// Receipt says that a target was acknowledged (and, with verify, read back) to hold a content.
type Receipt struct {
	Target
	RotationID string    `json:"rotation_id"`
	Digest     []byte    `json:"digest"` // keyed digest of the content
	At         Timestamp `json:"at"`
	// MayHold is the rotation of a later write whose outcome is not known.
	MayHold string `json:"maybe,omitempty"`
	// MayAlsoHold are those of writes before it whose outcome is not known either.
	MayAlsoHold []string `json:"maybe_also,omitempty"`
}

// mayHoldValueOf reports whether the target may hold the value of a rotation.
func (rc Receipt) mayHoldValueOf(rotationID string) bool {
	return rc.RotationID == rotationID || rc.MayHold == rotationID || slices.Contains(rc.MayAlsoHold, rotationID)
}

// Receipts are the receipts of a slot's targets. A slot has one or two: a map
// would take a kilobyte of each slot of a fleet.
type Receipts []Receipt

func (r Receipts) index(location string) int {
	return slices.IndexFunc(r, func(rc Receipt) bool { return rc.Location == location })
}

// At returns the receipt of a location; the zero value when there is none.
func (r Receipts) At(location string) (rc Receipt) {
	if i := r.index(location); i >= 0 {
		rc = r[i]
	}
	return rc
}

// set puts rc in the place of its location's former receipt.
func (r *Receipts) set(rc Receipt) {
	if i := r.index(rc.Location); i >= 0 {
		(*r)[i] = rc
		return
	}
	*r = append(*r, rc)
}
