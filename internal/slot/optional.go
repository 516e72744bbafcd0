package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// deliverOptional serves optional targets beside the required ones, waiting for none, and
// forgets the value when all have it, or it is gone.
func (v *View) deliverOptional() Action {
	rot := v.Record.Rotation
	if rot == nil || len(rot.Sealed) == 0 || v.Record.PendingMint != nil {
		return Wait{}
	}
	missing := v.TargetsLacking(rot, false)
	if rot.Phase == Minted && v.NeedsJudging(rot) {
		return Wait{} // the required ones show first whether it may be written
	}
	if v.valueIsGone() || len(missing) == 0 {
		if rot.Phase == Verified && len(rot.Sealed) > 0 {
			return Drop{}
		}
		return Wait{}
	}
	if left := v.settlesFor(rot); left > 0 && rot.Cause != CauseCompromised {
		return Wait{v.Now.Add(left)}
	}
	var next time.Time
	missing = slices.DeleteFunc(missing, func(t Target) bool {
		at := v.Seen.NextOptional.At(t.Location).Time()
		waits := v.waitsUntil(at, fault.LongestBlock)
		if waits {
			next = earlierOf(next, at)
		}
		return waits || v.Seen.DeliveringOptional.At(t.Location)
	})
	if len(missing) > 0 {
		return DeliverOptional{missing}
	}
	return Wait{next}
}
