package slot

import "time"

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
