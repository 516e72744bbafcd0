package slot

import "slices"

// showsSuccessor reports whether a target shows a newer token of the slot than t, though
// another than is known to have been delivered there.
func (v *View) showsSuccessor(t *Token, l Inspection) bool {
	newer := func(o *Token) bool { return o.RotationID > t.RotationID && slices.Contains(l.TokenIDs, o.ID) }
	return v.Record.Current != nil && newer(v.Record.Current) || slices.ContainsFunc(v.Record.Retiring, func(o Token) bool { return newer(&o) })
}

// notServing reports whether a target is seen not to hold the token now, whatever it held before.
func (v *View) notServing(h Target, t *Token) bool {
	l := v.Seen.Inspections.At(h.Location)
	gone := !l.Exists || len(t.ServedDigests) > 0 && !t.wasServedAs(l.Digest)
	return l.Err == nil && l.Known && gone || v.neverReceived(h, t)
}

// neverReceived reports whether a target cannot have got the token: it is seen to hold
// what was delivered last, nothing when nothing was, or another listed token.
func (v *View) neverReceived(h Target, t *Token) bool {
	l, rc := v.Seen.Inspections.At(h.Location), v.Record.Receipts.At(h.Location)
	switch {
	case l.Err != nil || !l.Known:
		return false
	case v.Seen.Listing.hasTokenIn(l):
		return !slices.Contains(l.TokenIDs, t.ID)
	case !l.Exists:
		return rc.RotationID == ""
	}
	return rc.RotationID != "" && rc.RotationID != t.RotationID && driftOf(rc, l) == ""
}

func (v *View) everyRequired(ok func(Target) bool) bool {
	return !slices.ContainsFunc(v.requiredTargets(), func(h Target) bool { return !ok(h) })
}

// inspectRequired looks at the required targets before a token goes; all must answer.
func (v *View) inspectRequired() (Action, bool) {
	holders := v.requiredTargets()
	if s, ok := v.inspectedFirst(holders, DepthRead); !ok {
		return s, false
	}
	if failed := v.failedInspection(holders); len(failed) > 0 {
		return v.failOn(StageRetire, failed), false
	}
	return nil, true
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
