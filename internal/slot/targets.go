package slot

import "slices"

// TargetsLacking are the targets of a rotation, required or optional, that are still
// configured and not known to hold its value.
func (v *View) TargetsLacking(rot *Rotation, required bool) []Target {
	var out []Target
	for _, t := range rot.Targets {
		t = v.underPresentSink(t)
		if t.Required == required && v.Sinks[t.Sink] && v.Record.Receipts.At(t.Location).RotationID != rot.ID {
			out = append(out, t)
		}
	}
	return out
}

// underPresentSink finds a place under its present sink name: renaming a sink changes nothing.
func (v *View) underPresentSink(t Target) Target {
	if v.Plan == nil {
		return t
	}
	if i := TargetAt(v.Plan.Targets, t.Location); i >= 0 {
		t.Sink, t.Target = v.Plan.Targets[i].Sink, v.Plan.Targets[i].Target
	}
	return t
}

// RequiredOf returns the required ones of targets.
func RequiredOf(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return !t.Required })
}

func optionalOf(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return t.Required })
}
