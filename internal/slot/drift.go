package slot

// checkDrift compares every target with what was delivered, at start and at every
// probe interval; one that is in doubt once more between them.
func (v *View) checkDrift() Action {
	if v.Plan == nil || v.Record.Unfinished() || v.Record.PendingMint != nil {
		return Wait{}
	}
	if until := v.NextCheck.Time(); v.Now.Before(until) {
		return v.secondLook(until)
	}
	return Inspect{v.Plan.Targets, DepthProbe}
}
