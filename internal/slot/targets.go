package slot

import "slices"

// TargetsLacking are the targets of a rotation, required or optional, that the slot still has and
// that are not known to hold its value.
func (v *View) TargetsLacking(rot *Rotation, required bool) []Target {
	targets := v.targetsOf(rot)
	if required {
		targets = append(targets, v.correctedTargets(rot)...)
	}
	return slices.DeleteFunc(targets, func(t Target) bool {
		return t.Required != required || v.Record.Receipts.At(t.Location).RotationID == rot.ID
	})
}

// targetsOf are the targets of a rotation that the slot still has, as they are called now. One is
// waited for only if it was required when the rotation began, and still is.
func (v *View) targetsOf(rot *Rotation) (out []Target) {
	for _, t := range rot.Targets {
		if now, left := v.presentTarget(t); !left {
			out = append(out, now)
		}
	}
	return out
}

// presentTarget is a rotation's target under its present name, unless it has left the slot: renaming a
// sink changes nothing. A slot that left the configuration keeps those whose sink did not, and that no
// configured slot has now.
func (v *View) presentTarget(t Target) (now Target, left bool) {
	if v.Plan == nil {
		return t, !v.Sinks[t.Sink] || v.Taken[t.Location]
	}
	i := TargetAt(v.Plan.Targets, t.Location)
	if i < 0 {
		return t, true
	}
	now = v.Plan.Targets[i]
	now.Required = now.Required && t.Required
	return now, !v.Sinks[now.Sink]
}

// correctedTargets are the required targets of the plan to which an unfinished rotation goes in the
// place of those that left it: the value at hand is what their consumers wait for.
func (v *View) correctedTargets(rot *Rotation) []Target {
	if v.Plan == nil || rot.Phase != Minted || len(v.targetsOf(rot)) == len(rot.Targets) {
		return nil
	}
	return slices.DeleteFunc(RequiredOf(v.Plan.Targets), func(t Target) bool { return rot.deliversTo(t.Location) })
}

// TargetsInHand are those that the slot delivers to, by its plan or by what is on its way.
func (v *View) TargetsInHand() (all []Target) {
	if v.Plan != nil {
		all = v.Plan.Targets
	}
	if v.Record.DeliveryPending() {
		all = slices.Concat(all, v.targetsOf(v.Record.PendingOrLatest()))
	}
	return all
}

// Delivers reports whether the slot still brings a rotation's value to a location.
func (v *View) Delivers(rot *Rotation, location string) bool {
	return rot != nil && TargetAt(v.targetsOf(rot), location) >= 0
}

// isCorrected reports whether a location is one of the corrected targets of a rotation.
func (v *View) isCorrected(rot *Rotation, location string) bool {
	return TargetAt(v.correctedTargets(rot), location) >= 0
}

// requiredTargets are the required targets, which must hold a successor before a token goes: the plan's, or those that
// the last rotation of a slot without a plan still goes to.
func (v *View) requiredTargets() []Target {
	if v.Plan != nil {
		return RequiredOf(v.Plan.Targets)
	}
	if v.Record.Rotation == nil {
		return nil
	}
	return RequiredOf(v.targetsOf(v.Record.Rotation))
}

// RequiredOf returns the required ones of targets.
func RequiredOf(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return !t.Required })
}

func optionalOf(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return t.Required })
}

// ownTargets are those of targets that the rotation delivers to.
func (rot *Rotation) ownTargets(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return !rot.deliversTo(t.Location) })
}
