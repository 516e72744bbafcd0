package slot

import (
	"slices"

	"github.com/rotatord/rotatord/internal/moq"
)

// redirectFirst has an unfinished rotation go to corrected targets as well, each looked at as before a mint.
func (v *View) redirectFirst(rot *Rotation) (Action, bool) {
	corrected := v.correctedTargets(rot)
	if s, ok := v.inspectedFirst(corrected, DepthTrial); !ok {
		return s, false
	}
	fit := v.reachable(corrected)
	switch {
	case len(fit) == 0:
		return nil, true
	case v.NeedsJudging(rot): // what is there now may be newer
		return Redirect{Targets: fit}, false
	}
	return Redirect{fit, v.foundAt(fit)}, false
}

// MayHoldLatest reports whether a location may hold the value on its way though no write there was acknowledged. At a
// corrected target a process may have died before the journal knew that the value goes there.
func (v *View) MayHoldLatest(location string) bool {
	rot := v.Record.Rotation
	return rot != nil && len(rot.Sealed) > 0 && (v.Record.Receipts.At(location).MayHold != "" || v.isCorrected(rot, location))
}

// Redirect has the unfinished rotation go to more targets. They may have served any older token until now.
func (r *Record) Redirect(targets []Target, found []Found) {
	rot := *r.Rotation
	rot.Targets, rot.Found = slices.Concat(rot.Targets, targets), slices.Concat(rot.Found, found)
	rot.Regrace = rot.Strategy == moq.Overlap
	r.Rotation = &rot
	r.markMayHold(targets, rot.ID)
}

// DropLeftTargets takes out of the latest rotation the targets that left the slot, so that one which comes back is new.
func (r *Record) DropLeftTargets(p *Plan) {
	left := func(t Target) bool { return !p.Delivers(t.Location) }
	if p == nil || !slices.ContainsFunc(r.Rotation.Targets, left) {
		return
	}
	rot := *r.Rotation
	rot.Targets = slices.DeleteFunc(slices.Clone(rot.Targets), left)
	r.Rotation = &rot
}
