package slot

import (
	"bytes"
	"cmp"
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

// placesRemembered is of how many locations that a slot left it is remembered what it delivered there, beside those
// that may hold a token which can still be accepted.
const placesRemembered = 8

// forgetReceipts drops of locations that the rotation no longer delivers to what no token is known of any more. What was
// delivered there last stays known, so that it is ours when a slot comes there again.
func (r *Record) forgetReceipts() {
	r.forgetAmbiguousWrites()
	r.Receipts = slices.DeleteFunc(r.Receipts, func(rc Receipt) bool {
		return !r.Rotation.deliversTo(rc.Location) && rc.RotationID == "" && rc.MayHold == "" && len(rc.MayAlsoHold) == 0
	})
	left := slices.DeleteFunc(slices.Clone(r.Receipts), func(rc Receipt) bool {
		return r.Rotation.deliversTo(rc.Location) || rc.MayHold != "" || len(rc.MayAlsoHold) > 0 || r.mayBeAccepted(rc.RotationID)
	})
	if len(left) <= placesRemembered {
		return
	}
	slices.SortFunc(left, func(a, b Receipt) int { return cmp.Compare(b.At, a.At) })
	for _, rc := range left[placesRemembered:] {
		r.Receipts = slices.Delete(r.Receipts, r.Receipts.index(rc.Location), r.Receipts.index(rc.Location)+1)
	}
}

// forgetAmbiguousWrites forgets of writes whose outcome is not known those of tokens that are not accepted any more.
func (r *Record) forgetAmbiguousWrites() {
	gone := func(id string) bool { return !r.mayBeAccepted(id) }
	for i := range r.Receipts {
		rc := &r.Receipts[i]
		if slices.ContainsFunc(rc.MayAlsoHold, gone) {
			rc.MayAlsoHold = slices.DeleteFunc(slices.Clone(rc.MayAlsoHold), gone)
		}
		if !r.Rotation.deliversTo(rc.Location) && gone(rc.MayHold) {
			rc.MayHold = ""
		}
	}
}

// LastRequiredReceipt is when the last required target acknowledged the latest value.
func (r *Record) LastRequiredReceipt() (at Timestamp) {
	for _, t := range r.Rotation.Targets {
		if rc := r.Receipts.At(t.Location); t.Required && rc.RotationID == r.Rotation.ID {
			at = max(at, rc.At)
		}
	}
	return at
}
