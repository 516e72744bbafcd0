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

// FirstLook is in how much time the targets of a slot are looked at that a term takes over, as the nth of so many: at once
// where a value was on its way to them, else at the pace of probes.
func (r *Record) FirstLook(p *Plan, n, of int) time.Duration {
	if p == nil || r.isInDoubt() {
		return 0
	}
	return p.CheckInterval() / time.Duration(max(1, of)) * time.Duration(n)
}

// NextLook is in how much time targets that were looked at just now are to be looked at again. Where a value went to them
// around a take-over, once more as soon as no call of the former leader can change them any more.
func (v *View) NextLook() time.Duration {
	left, rot := v.LateCalls(), v.Record.Rotation
	began := TimestampOf(v.Now.Add(-v.running()))
	if left > 0 && (v.Record.isInDoubt() || rot != nil && rot.Finished >= began) {
		return min(left, v.Plan.CheckInterval())
	}
	return v.Plan.CheckInterval()
}
