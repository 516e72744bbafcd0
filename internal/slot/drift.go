package slot

import (
	"bytes"
	"time"
)

// leastSpread is how far apart the first looks of a fleet may be.
const leastSpread = time.Minute

// checkDrift compares every target with what was delivered, at start and at every
// probe interval; one that is in doubt once more between them.
func (v *View) checkDrift() Action {
	if v.Plan == nil || v.Record.Unfinished() || v.Record.PendingMint != nil {
		return Wait{}
	}
	if until := v.NextCheck.Time(); v.waitsUntil(until, max(v.Plan.CheckInterval(), leastSpread)) {
		return v.secondLook(until)
	}
	return Inspect{v.Plan.Targets, DepthProbe}
}

// Drift says how a target differs from what was delivered; "" when it does not.
type Drift string

// The kinds of drift.
const (
	DriftMissing Drift = "missing"
	DriftChanged Drift = "changed"
)

// driftOf compares a look with the target's receipt.
func driftOf(rc Receipt, l Inspection) Drift {
	switch {
	case rc.RotationID == "" || l.Err != nil || !l.Known || bytes.Equal(rc.Digest, l.Digest):
		return ""
	case !l.Exists:
		return DriftMissing
	}
	return DriftChanged
}
