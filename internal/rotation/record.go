package rotation

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Record is everything durable about one slot. The journal keeps it as JSON;
// after a crash it alone says where to go on. It holds a token's value only
// sealed.
type Record struct {
	Key       moq.Key `json:"key"`
	FirstSeen Moment  `json:"first_seen"`

	// Met is the latest instant of the schedule that a verified rotation has met
	// (or that was waived); instants up to it never fire again.
	Met Moment `json:"met,omitzero"`

	// Attempt is a mint under way: journalled before the call, gone with its outcome.
	// One that a crash left behind may or may not have been carried out.
	Attempt *Rotation `json:"attempt,omitempty"`

	// Rotation is the latest minted value and its delivery, finished or not; nil before the first.
	Rotation *Rotation `json:"rotation,omitempty"`

	// LastRotation is when a rotation was last verified.
	LastRotation Moment `json:"last_rotation,omitzero"`

	// Served is the token that the last verified rotation delivered: what consumers
	// read. Its ID is empty for in_place.
	Served *Token `json:"served,omitempty"`

	// Old lists the slot's other tokens that may still be accepted, oldest first.
	Old []Token `json:"old,omitempty"`

	// Lost lists overlap mints whose answer never came; their labels are looked for.
	Lost []LostMint `json:"lost,omitempty"`

	// Receipts say what each target was last acknowledged to hold; one a location.
	Receipts Receipts `json:"receipts,omitempty"`

	// Request is a rotation asked for by a person and not yet met.
	Request *Request `json:"request,omitempty"`

	// DriftPeriod is the period (its first instant) in which drift has already made
	// the slot due once.
	DriftPeriod Moment `json:"drift_period,omitzero"`

	// Failure is the present run of failures; nil when the last attempt succeeded.
	Failure *Failure `json:"failure,omitempty"`
}

// Phase is how far a rotation has come.
type Phase string

// The phases, in order.
const (
	Intended Phase = "intended" // about to call, or calling, Cloudflare
	Minted   Phase = "minted"   // the value is here, sealed; required targets may lack it
	Verified Phase = "verified" // every required target holds it
)

// Rotation is one mint and its delivery. What it needs to finish is fixed when
// it starts: a changed configuration does not reach it.
type Rotation struct {
	ID       string       `json:"id"` // rotation id of the present mint attempt
	Phase    Phase        `json:"phase"`
	Strategy moq.Strategy `json:"strategy"`
	Cause    Cause        `json:"cause"`
	By       string       `json:"by,omitempty"`     // who asked, for a manual one
	Instant  Moment       `json:"instant,omitzero"` // every schedule instant up to it is met by this rotation
	Due      Moment       `json:"due,omitzero"`     // jittered instant, for the schedule lag
	Period   Moment       `json:"period,omitzero"`  // the period whose drift this rotation answers
	Started  Moment       `json:"started"`          // first mint call of this rotation: where a blackout begins
	MintedAt Moment       `json:"minted_at,omitzero"`
	Finished Moment       `json:"finished,omitzero"` // verified at

	Grace   time.Duration `json:"grace,omitempty"`
	Expires Moment        `json:"expires,omitzero"` // asked for
	Verify  bool          `json:"verify"`
	// Regrace begins the graces of older tokens anew: a target was found changed, or
	// is new, and may have served any of them until this rotation.
	Regrace bool     `json:"regrace,omitempty"`
	Targets []Target `json:"targets"`
	Names   Names    `json:"names"` // the configuration's names at the start, for rendering

	// LostAt is when a rotate call's answer was last lost (in_place); the call may
	// commit late, so the slot rotates once more a quiet minute after it.
	LostAt Moment `json:"lost_at,omitzero"`
	// Existing are ids listed before the mint with exactly the slot's operations
	// that no installation labelled (retire: matching).
	Existing []Token `json:"existing,omitempty"`

	Token  *Token `json:"token,omitempty"`  // what was minted
	Sealed []byte `json:"sealed,omitempty"` // its value, age-encrypted; dropped once every target holds it
}

// Names are the configuration's words for a slot, kept with a rotation.
type Names struct {
	Relay    string `json:"relay"`
	Account  string `json:"account"`
	Instance string `json:"instance"`
}

// Token is a token that rotatord minted (or may retire), without its value.
type Token struct {
	ID         string `json:"id,omitempty"` // jti; empty for in_place
	RotationID string `json:"rotation_id,omitempty"`
	Created    Moment `json:"created"`
	Expires    Moment `json:"expires,omitzero"`
	ValueSize  int    `json:"value_size,omitempty"` // in bytes: the next value is about as long

	// Retire is when the token's grace ends; zero while it is served or unfinished.
	Retire Moment `json:"retire,omitzero"`
	// Clock is the elapsed-time reading at which the grace began (see Clock).
	Clock Reading `json:"clock,omitzero"`
	// Grace is the elapsed time that must have passed since Clock.
	Grace time.Duration `json:"grace,omitempty"`
	// Held are the digests of what targets held with this token while it was served.
	Held [][]byte `json:"held,omitempty"`
	// Forced tokens are compromised: they are revoked even if a target that left the
	// configuration may still hold them.
	Forced bool `json:"forced,omitempty"`
	// NotOurs marks a token that retire: matching takes over.
	NotOurs bool `json:"not_ours,omitempty"`
}

// Reading is a moment on the machine's elapsed-time clock, which no change of
// the wall clock moves. Readings of different boots cannot be compared.
type Reading struct {
	Boot    string        `json:"boot,omitempty"`
	Elapsed time.Duration `json:"elapsed,omitempty"`
}

// LostMint is an overlap mint whose answer was lost: if it was carried out, its
// token is found by the label.
type LostMint struct {
	RotationID string    `json:"rotation_id"`
	Label      string    `json:"label"`
	At         time.Time `json:"at"`
	// Crashed says that rotatord ended during the call: the value may have come, and
	// may have been delivered from memory.
	Crashed bool `json:"crashed,omitempty"`
}

// Target is one place a rotation delivers to.
type Target struct {
	Sink     string `json:"sink"`     // its key in the configuration
	Target   string `json:"target"`   // rendered path or secret id
	Location string `json:"location"` // the place, whatever the sink is called
	Required bool   `json:"required"`
	Adopt    bool   `json:"adopt,omitempty"` // take over a target that holds something else
}

// Receipt says that a target was acknowledged (and, with verify, read back) to hold a content.
type Receipt struct {
	Target
	RotationID string `json:"rotation_id"`
	Digest     []byte `json:"digest"` // keyed digest of the content
	At         Moment `json:"at"`
	// Maybe is the rotation of a later write whose outcome is not known.
	Maybe string `json:"maybe,omitempty"`
}

// Receipts are the receipts of a slot's targets. A slot has one or two: a map
// would take a kilobyte of each slot of a fleet.
type Receipts []Receipt

func (r Receipts) index(location string) int {
	return slices.IndexFunc(r, func(rc Receipt) bool { return rc.Location == location })
}

// At gives the receipt of a location; the zero value when there is none.
func (r Receipts) At(location string) (rc Receipt) {
	if i := r.index(location); i >= 0 {
		rc = r[i]
	}
	return rc
}

// set puts rc in the place of its location's former receipt.
func (r *Receipts) set(rc Receipt) {
	if i := r.index(rc.Location); i >= 0 {
		(*r)[i] = rc
		return
	}
	*r = append(*r, rc)
}

// Cause says why a rotation was started.
type Cause string

// The causes.
const (
	ByInitial   Cause = "initial"     // first sight of the slot
	BySchedule  Cause = "schedule"    // an instant of its schedule
	ByRequest   Cause = "manual"      // somebody asked
	ByCompro    Cause = "compromised" // somebody asked with --compromised
	ByExpiry    Cause = "expiry"      // a third of the token's life was left
	ByDrift     Cause = "drift"       // a target was found missing or changed
	ByNewTarget Cause = "new_target"  // the configuration gained a target
	ByLateMint  Cause = "late_commit" // a lost rotate call may have committed late
	ByLostValue Cause = "lost_value"  // the value to deliver can no longer be had
)

// Request is a rotation that somebody asked for.
type Request struct {
	At          time.Time `json:"at"`
	By          string    `json:"by"`
	Compromised bool      `json:"compromised,omitempty"`
}

// Step is where an attempt failed; a metric label.
type Step string

// The steps.
const (
	StepPreflight Step = "preflight"
	StepMint      Step = "mint"
	StepDeliver   Step = "deliver"
	StepVerify    Step = "verify"
	StepRetire    Step = "retire"
)

// Steps lists them in the order a rotation takes them.
func Steps() []Step { return []Step{StepPreflight, StepMint, StepDeliver, StepVerify, StepRetire} }

// Failure is the present run of failed attempts of a slot.
type Failure struct {
	Count   int       `json:"count"`
	Since   time.Time `json:"since"`
	At      time.Time `json:"at"`   // the last one
	Next    time.Time `json:"next"` // the next attempt
	Step    Step      `json:"step"`
	Reason  string    `json:"reason"`
	Sink    string    `json:"sink,omitempty"`
	Message string    `json:"message"`
}

// Event is one line of a slot's history.
type Event struct {
	At         time.Time     `json:"at"`
	Slot       string        `json:"slot"` // relay/type as named at the time
	Key        moq.Key       `json:"key"`
	What       What          `json:"what"`
	RotationID string        `json:"rotation_id,omitempty"`
	TokenID    string        `json:"token_id,omitempty"`
	Strategy   moq.Strategy  `json:"strategy,omitempty"`
	Cause      Cause         `json:"cause,omitempty"`
	By         string        `json:"by,omitempty"`
	Took       time.Duration `json:"took,omitempty"` // mint call to last required sink verified
	Step       Step          `json:"step,omitempty"`
	Detail     string        `json:"detail,omitempty"`
}

// What is the kind of a history event.
type What string

// The kinds.
const (
	Rotated    What = "rotated"    // a new token is verified everywhere it is required
	Superseded What = "superseded" // an unfinished rotation gave way to a newer one
	Failed     What = "failed"     // the first failure of a run of failures
	Revoked    What = "revoked"    // an old token was revoked
	Swept      What = "swept"      // the token of a lost mint was found and revoked
	Drifted    What = "drifted"    // a target was found missing or changed
	Requested  What = "requested"  // somebody asked for a rotation
)
