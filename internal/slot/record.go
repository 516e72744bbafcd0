package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Record is everything durable about one slot. The journal keeps it as JSON, under the keys of the first version (the
// glossary says which they are);
// after a crash it alone says where to go on. It holds a token's value only
// sealed.
type Record struct {
	Key       moq.Key   `json:"key"`
	FirstSeen Timestamp `json:"first_seen"` // by the clock of schedules

	// MetThrough is up to when the schedule is met: by a verified rotation, or as far as it can have been
	// (TakeBack). Instants up to it never fire again.
	MetThrough Timestamp `json:"met,omitzero"`

	// InForce is the schedule that the slot goes by; nil: not known.
	InForce *ScheduleInForce `json:"schedule,omitempty"`

	// InitialSince is since when the slot is to rotate for the first time (`initial: now`); zero: it is not, or did.
	InitialSince Timestamp `json:"initial_since,omitzero"`

	// PendingMint is a mint under way: journalled before the call, gone with its outcome. Between two actions it is
	// there only under in_place, after a rotate call whose answer was lost: consumers are locked out then.
	PendingMint *Rotation `json:"attempt,omitempty"`

	// Rotation is the latest minted value and its delivery, finished or not; nil before the first.
	Rotation *Rotation `json:"rotation,omitempty"`

	// LastRotation is when a rotation was last verified.
	LastRotation Timestamp `json:"last_rotation,omitzero"`

	// Current is the token that the last verified rotation delivered: what consumers
	// read. Its ID is empty for in_place, and once it was revoked.
	Current *Token `json:"served,omitempty"`

	// Retiring lists the slot's other tokens that may still be accepted, in the order in which they were
	// put aside.
	Retiring []Token `json:"old,omitempty"`

	// Orphans lists overlap mints whose token is to be found and to go: the answer was lost, and their labels are looked
	// for; or the token came, and was refused.
	Orphans []Orphan `json:"lost,omitempty"`

	*Exceptions // nil when there is none

	// Receipts say what each target was last acknowledged to hold; one a location.
	Receipts Receipts `json:"receipts,omitempty"`

	// Request is a rotation asked for by a person and not yet met.
	Request *Request `json:"request,omitempty"`

	// DriftPeriod is the period (its first instant) in which drift has already made
	// the slot due once.
	DriftPeriod Timestamp `json:"drift_period,omitzero"`

	// Failure is the present run of failures; nil when the last attempt succeeded, or its cause has gone.
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
	ID           string       `json:"id"` // rotation id of the latest mint call
	Phase        Phase        `json:"phase"`
	Strategy     moq.Strategy `json:"strategy"`
	Cause        Cause        `json:"cause"`
	By           string       `json:"by,omitempty"`     // who asked for a rotation that this one meets, whatever its cause
	MeetsThrough Timestamp    `json:"instant,omitzero"` // every schedule instant up to it is met by this rotation
	DueAt        Timestamp    `json:"due,omitzero"`     // by our clock: when the run came due that the schedule began, for its lag
	Period       Timestamp    `json:"period,omitzero"`  // the period whose drift this rotation answers
	Started      Timestamp    `json:"started"`          // first mint call of this rotation: where a blackout begins
	Clock        Reading      `json:"clock,omitzero"`   // then
	MintedAt     Timestamp    `json:"minted_at,omitzero"`
	// MintedClock is the elapsed-time reading at MintedAt, until the value is dropped.
	MintedClock Reading   `json:"minted_clock,omitzero"`
	Finished    Timestamp `json:"finished,omitzero"` // verified at

	Grace   time.Duration `json:"grace,omitempty"`
	Settle  time.Duration `json:"settle,omitempty"` // from the mint's answer to the first delivery
	Expires Timestamp     `json:"expires,omitzero"` // asked for
	Verify  bool          `json:"verify"`
	// Regrace begins the graces of older tokens anew: a target was found missing
	// or changed, or is new, and may have served any of them until this rotation.
	Regrace bool `json:"regrace,omitempty"`
	// ClaimedOtherID says that the value claims another id than its answer told.
	ClaimedOtherID bool `json:"claimed_other_id,omitempty"`

	Targets []Target `json:"targets"`
	Names   Names    `json:"names"` // the configuration's names at the start, for rendering
	// Operations are the token's rights. Older versions did not write them: the type said them.
	Operations []string `json:"operations,omitempty"`

	// LostAt is when a rotate call's answer was last lost (in_place); the call may
	// commit late, so the slot rotates once more a quiet minute after it.
	LostAt    Timestamp `json:"lost_at,omitzero"`
	LostClock Reading   `json:"lost_clock,omitzero"` // then
	// Found is what targets held before the mint that was not known to be delivered there (in_place, and a fourth token).
	Found []Found `json:"found,omitempty"`
	// GivenUp says that the value may be older than what targets hold: it goes nowhere any more (in_place).
	GivenUp bool `json:"doubted,omitempty"`
	// GivenUpCount counts the values in a row that were given up so, this one included.
	GivenUpCount int `json:"doubts,omitempty"`
	// Existing are ids listed before the mint with exactly the slot's operations
	// that no other installation labelled and no slot of ours owned (retire: matching).
	Existing []Token `json:"existing,omitempty"`

	Token  *Token `json:"token,omitempty"`  // what was minted
	Sealed []byte `json:"sealed,omitempty"` // its value, age-encrypted; dropped once every target holds it, or it is of no use
}

// Names are the configuration's words for a slot, kept with a rotation.
type Names struct {
	Relay    string `json:"relay"`
	Account  string `json:"account"`
	Instance string `json:"instance"`
}

// Orphan is an overlap mint whose answer was lost: if it was carried out, its
// token is found by the label. Or its token came, and was refused.
type Orphan struct {
	RotationID string    `json:"rotation_id"`
	Label      string    `json:"label"`
	At         time.Time `json:"at"`
	Clock      Reading   `json:"clock,omitzero"` // when it was lost
	// TokenID is the token, where that is known: it was refused.
	TokenID string `json:"token_id,omitempty"`
	// Crashed says that rotatord ended during the call: the value may have come, and
	// may have been delivered from memory.
	Crashed bool `json:"crashed,omitempty"`
	// Before is what targets held before the mint of a fourth token that was not delivered there.
	Before []Found `json:"before,omitempty"`
	// TurnedUp is when a token of it was last found, and revoked or kept: there may be another.
	TurnedUp      Timestamp `json:"found,omitzero"`
	TurnedUpClock Reading   `json:"found_clock,omitzero"` // then
}

// Target is where a rotation delivers to.
type Target struct {
	Sink     string `json:"sink"`     // its key in the configuration
	Target   string `json:"target"`   // rendered path or secret id
	Location string `json:"location"` // the target as it is written, whatever the sink is called
	Required bool   `json:"required"`
	Adopt    bool   `json:"adopt,omitempty"` // take over a target that holds something else
}
