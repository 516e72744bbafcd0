package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// Stage is where an attempt failed; a metric label.
type Stage string

// The stages.
const (
	StagePreflight Stage = "preflight"
	StageMint      Stage = "mint"
	StageDeliver   Stage = "deliver"
	StageVerify    Stage = "verify"
	StageRetire    Stage = "retire"
)

// Stages lists them in the order a rotation takes them.
func Stages() []Stage {
	return []Stage{StagePreflight, StageMint, StageDeliver, StageVerify, StageRetire}
}

// FailedAttempt is one attempt that failed.
type FailedAttempt struct {
	At      time.Time
	Next    time.Time // when the next one begins
	Stage   Stage
	Reason  string
	Sink    string // that is to blame, if one is
	Message string

	Permanent bool     // trying again alone will not help
	Locations []string // of the targets that it is of
}

// Failure is the present run of failed attempts of a slot, told by the last.
type Failure struct {
	Count   int       `json:"count"`
	Since   time.Time `json:"since"`
	At      time.Time `json:"at"`   // the last one
	Next    time.Time `json:"next"` // the next attempt
	Stage   Stage     `json:"step"`
	Reason  string    `json:"reason"`
	Sink    string    `json:"sink,omitempty"`
	Message string    `json:"message"`

	Permanent bool     `json:"permanent,omitempty"` // trying again alone will not help
	Locations []string `json:"locations,omitempty"` // of the targets that it is of
	// ClaimedOtherID says that a value was refused in this run because it claimed another id than its answer told.
	ClaimedOtherID bool `json:"claimed_other_id,omitempty"`
}

// endFailure ends a run of failures whose cause cannot apply any more: the next attempt may be far away, or never come.
func (v *View) endFailure() Action {
	if v.Record.Failure != nil && (v.leftNothingToTry() || v.failedOnFormerTarget()) {
		return EndFailure{}
	}
	return Wait{}
}

// leftNothingToTry reports whether what failed is not tried again, because there is no reason for it any more. Whether
// a target drifted is known once it was looked at. What a bug did not let happen is not known to be done.
func (v *View) leftNothingToTry() bool {
	if v.Record.Failure.Reason == string(fault.Internal) || v.Record.PendingMint != nil || v.Record.Unfinished() {
		return false
	}
	return (v.Plan == nil || v.Inspected) && !v.isDue()
}

// failedOnFormerTarget reports whether the last attempt failed on a target that is waited for no more. Where the failure
// alone keeps an instant from being missed, it stays.
func (v *View) failedOnFormerTarget() bool {
	f := v.Record.Failure
	former := slices.ContainsFunc(f.Locations, func(location string) bool { return !v.awaits(location) })
	if len(f.Locations) == 0 {
		former = f.Sink != "" && !v.Sinks[f.Sink]
	}
	return former && v.isDue() == v.asIf(func(r *Record) { r.Failure = nil }).isDue()
}

// awaits reports whether the slot waits for a target: a required one, of the plan or of an unfinished rotation.
func (v *View) awaits(location string) bool {
	if v.Record.Unfinished() && TargetAt(v.TargetsLacking(v.Record.Rotation, true), location) >= 0 {
		return true
	}
	return v.Plan != nil && TargetAt(RequiredOf(v.Plan.Targets), location) >= 0
}

// FailuresBefore is how many failures in a row are behind one that comes now: values that were given up count, though a
// mint came after each.
func (r *Record) FailuresBefore() (n int) {
	if r.Failure != nil {
		n = r.Failure.Count
	}
	if r.Unfinished() && r.Rotation.GivenUp {
		n = max(n, r.Rotation.GivenUpCount-1)
	}
	return n
}
