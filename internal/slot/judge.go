package slot

import (
	"bytes"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// A journal that was restored may bring back an in_place value that is dead by now, on its way over a newer one. So a
// value that an earlier process minted goes only where nothing contradicts it. (Of an overlap value the relay's list
// tells.)

// believedFor is for how long after its mint a value needs nothing that vouches for it.
const believedFor = 10 * time.Minute

// Found is what a target was found to hold before a mint that was not known to be delivered there.
type Found struct {
	Location string `json:"location"`
	Digest   []byte `json:"digest"` // none: it held nothing, though something was delivered there
}

// foundAt are the targets of which it is to be remembered what they hold before a value comes there.
func (v *View) foundAt(targets []Target) (out []Found) {
	for _, t := range targets {
		l := v.Seen.Inspections.At(t.Location)
		if l.Exists && len(l.Digest) > 0 && !v.Record.Receipts.At(t.Location).Matches(l.Digest) {
			out = append(out, Found{t.Location, l.Digest})
		}
	}
	return out
}

// NeedsJudging reports whether targets must say first whether a value may be written: an in_place one that an
// earlier process minted.
func (v *View) NeedsJudging(rot *Rotation) bool {
	return rot.Strategy == moq.InPlace && v.Seen.Minted != rot.ID
}

// judgeFirst has the required targets say whether a value of an earlier process may be written.
func (v *View) judgeFirst(missing []Target) (Action, bool) {
	rot := v.Record.Rotation
	if !v.NeedsJudging(rot) {
		return nil, true
	}
	targets := RequiredOf(v.targetsOf(rot))
	if s, ok := v.inspectedFirst(targets, DepthRead); !ok {
		return s, false
	}
	if v.isVouchedFor(rot) {
		return nil, true
	}
	if i := slices.IndexFunc(targets, v.showsUnknown); i >= 0 {
		return GiveUp{ErrUnknownValue(targets[i])}, false
	}
	expected := func(t Target) bool {
		return v.showsContent(t) && v.Record.HeldBefore(t.Location, v.Seen.Inspections.At(t.Location).Digest)
	}
	if v.isNew(rot) || slices.ContainsFunc(targets, expected) {
		return nil, true
	}
	if !slices.ContainsFunc(targets, func(t Target) bool { return !v.isSilent(t) }) {
		return v.failOn(StageDeliver, missing), false
	}
	return GiveUp{errNothingVouches()}, false
}

// isNew reports whether a value was minted so lately that nothing need vouch for it. Where only our clock tells, one that
// it puts far ahead is none: it was wrong at the mint, or is now.
func (v *View) isNew(rot *Rotation) bool {
	if age, sure := v.passedSince(rot.MintedClock); sure {
		return age <= believedFor
	}
	return Within(rot.MintedAt.Time(), v.Now, believedFor)
}

// isVouchedFor reports whether a required target is seen to hold the very value: nothing newer can have been minted.
func (v *View) isVouchedFor(rot *Rotation) bool {
	return slices.ContainsFunc(RequiredOf(v.targetsOf(rot)), func(t Target) bool {
		return v.showsContent(t) && v.Seen.Inspections.At(t.Location).AtHand
	})
}

// showsContent reports whether a target is seen to hold something.
func (v *View) showsContent(t Target) bool {
	l := v.Seen.Inspections.At(t.Location)
	return l.Err == nil && l.Known && l.Exists
}

// showsUnknown reports whether a target is seen to hold what is neither the value at hand nor was there before it.
func (v *View) showsUnknown(t Target) bool {
	l := v.Seen.Inspections.At(t.Location)
	return v.showsContent(t) && !l.AtHand && !v.Record.HeldBefore(t.Location, l.Digest)
}

// isSilent reports whether a target could not be asked: that says nothing of what can be read there.
func (v *View) isSilent(t Target) bool {
	err := v.Seen.Inspections.At(t.Location).Err
	return err != nil && fault.Of(err).Class == fault.Retry
}

// HeldBefore reports whether a digest is of what a target held before the latest value was to come there: what the slot
// delivered, or what was found before the mint.
func (r *Record) HeldBefore(location string, digest []byte) bool {
	found := func(f Found) bool { return f.Location == location && bytes.Equal(f.Digest, digest) }
	return r.Receipts.At(location).Matches(digest) || r.Current != nil && r.Current.wasServedAs(digest) ||
		slices.ContainsFunc(r.Rotation.Found, found)
}

// GiveUpValue gives the value at hand up for good: it is written nowhere any more, and the slot rotates again.
func (r *Record) GiveUpValue() {
	rot := *r.Rotation
	if !rot.GivenUp {
		rot.GivenUp, rot.GivenUpCount = true, rot.GivenUpCount+1
	}
	r.Rotation = &rot
}

// ErrUnknownValue is about a target that holds what contradicts a value of an earlier process.
func ErrUnknownValue(t Target) error {
	return fault.Newf(fault.Permanent, fault.Lost, "deliver to", t.Sink+" "+t.Target,
		"the target holds a value that the journal does not know, perhaps a newer one").
		WithHint("was the journal restored from a backup? the slot rotates anew")
}

func errNothingVouches() error {
	return fault.Newf(fault.Permanent, fault.Lost, "deliver", "",
		"the value was minted before rotatord last started, and no target shows that it is still the newest").
		WithHint("was the journal restored from a backup? the slot rotates anew")
}
