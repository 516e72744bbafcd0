package slot

import "slices"

// inspectedFirst asks for a look at those targets of which there is no fresh look.
func (v *View) inspectedFirst(targets []Target, depth Depth) (Action, bool) {
	if unseen := v.uninspected(targets, depth); len(unseen) > 0 {
		return Inspect{unseen, depth}, false
	}
	return nil, true
}

// uninspected are the targets of which there is no fresh look.
func (v *View) uninspected(targets []Target, depth Depth) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool {
		l := v.Seen.Inspections.At(t.Location)
		return l.isFresh(v.Now) && l.Depth >= depth
	})
}

// failOn is the failure of a stage on targets whose inspection failed.
func (v *View) failOn(stage Stage, failed []Target) Action {
	errs := make([]error, len(failed))
	for i, t := range failed {
		errs[i] = v.Seen.Inspections.At(t.Location).Err
	}
	return Fail{stage, errs, failed}
}

// failedInspection are the targets whose inspection failed.
func (v *View) failedInspection(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return v.Seen.Inspections.At(t.Location).Err == nil })
}

// reachable are the targets whose inspection did not fail.
func (v *View) reachable(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return v.Seen.Inspections.At(t.Location).Err != nil })
}

// Verifies reports whether what is written to the slot's targets is read back.
func (v *View) Verifies() bool {
	if v.Plan != nil {
		return v.Plan.Verify
	}
	return v.Record.Rotation != nil && v.Record.Rotation.Verify
}
