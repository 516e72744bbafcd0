package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// State sums up a slot in one word; a metric label.
type State string

// The states; a slot is in exactly one.
const (
	StateBlackout   State = "blackout" // in_place: the old token is dead, or may be, and the new one not yet everywhere it is required
	StateIdle       State = "idle"
	StateMinting    State = "minting"    // waiting for a turn in the budget, probing, or calling Cloudflare
	StateSettling   State = "settling"   // a new token waits until relays know it
	StateDelivering State = "delivering" // a minted value is not yet everywhere it is required
	StateGrace      State = "grace"      // verified; older tokens wait out their grace
	StateFailing    State = "failing"    // the last attempt that ended failed: waiting for the next, or in it
)

// States lists them.
func States() []State {
	return []State{StateBlackout, StateIdle, StateMinting, StateSettling, StateDelivering, StateGrace, StateFailing}
}

// Status is what a slot looks like to people and dashboards. Times are UTC;
// a zero time means none or unknown.
type Status struct {
	Slot  string        `json:"slot"` // relay/type
	Relay string        `json:"relay"`
	Type  moq.TokenType `json:"type"`

	Operations []string `json:"operations"` // of the slot's tokens, as configured

	RelayID   string            `json:"relay_id"`
	Account   string            `json:"account"`
	AccountID string            `json:"account_id"`
	Strategy  moq.Strategy      `json:"strategy"`
	Labels    map[string]string `json:"labels,omitempty"`
	State     State             `json:"state"`
	Manual    bool              `json:"manual,omitempty"`

	TokenID       string    `json:"token_id,omitempty"` // served token; of in_place as its value claims, else empty
	TokenCreated  time.Time `json:"token_created,omitzero"`
	TokenExpires  time.Time `json:"token_expires,omitzero"`
	LastRotation  time.Time `json:"last_rotation,omitzero"` // last verified rotation
	NextRotation  time.Time `json:"next_rotation,omitzero"` // when the oldest unmet run is due, or was; zero when none will be
	NextAttempt   time.Time `json:"next_attempt,omitzero"`  // while failing: Failure.Next, or WaitsUntil if that is later
	WaitsFor      WaitsFor  `json:"waits_for,omitempty"`    // what a rotation that is due waits for, though nothing failed
	WaitsUntil    time.Time `json:"waits_until,omitzero"`   // until when at least; zero when nothing tells
	Requested     time.Time `json:"requested,omitzero"`     // somebody asked, and it is not met yet
	Overdue       bool      `json:"overdue,omitempty"`      // a run has been late for over a minute, or the token has expired
	BlackoutSince time.Time `json:"blackout_since,omitzero"`
	// OverdueSince is when that run came due, or when the token expired; zero when the slot is not overdue.
	OverdueSince time.Time `json:"overdue_since,omitzero"`

	ConsecutiveFailures int      `json:"consecutive_failures"`
	Failure             *Failure `json:"failure,omitempty"`

	Rotation string `json:"rotation,omitempty"` // id of the rotation under way
	Phase    Phase  `json:"phase,omitempty"`    // of the rotation under way
	Cause    Cause  `json:"cause,omitempty"`

	Sinks     []TargetStatus `json:"sinks"`
	OldTokens []TokenStatus  `json:"old_tokens,omitempty"`
	// ForeignInstanceTokens are ids of the relay's tokens that another living installation of our name minted.
	ForeignInstanceTokens []string `json:"foreign_instance_tokens,omitempty"`
	Note                  string   `json:"note,omitempty"` // what a person should know, such as for what a new target waits
}

// WaitsFor is what a rotation that is due waits for.
type WaitsFor string

// What is waited for.
const (
	WaitsForGrace  WaitsFor = "grace"  // the slot has its three tokens: for the end of a grace
	WaitsForRoom   WaitsFor = "place"  // the relay is full: the mint is tried again; the wire has the first version's word
	WaitsForBudget WaitsFor = "budget" // for a turn in the account's request budget
)

// TargetStatus is one target of a slot.
type TargetStatus struct {
	Sink         string      `json:"sink"`
	Target       string      `json:"target"`
	Required     bool        `json:"required"`
	State        TargetState `json:"state"`
	Since        time.Time   `json:"since,omitzero"`   // of the state; zero when it is ok, or nobody can say
	Repair       string      `json:"repair,omitempty"` // when one that is missing or changed gets a value again
	RotationID   string      `json:"rotation_id,omitempty"`
	Delivered    time.Time   `json:"delivered,omitzero"`
	Checked      time.Time   `json:"checked,omitzero"`
	PendingSince time.Time   `json:"pending_since,omitzero"`
	Error        string      `json:"error,omitempty"`  // of the last call about it that failed
	Failed       bool        `json:"failed,omitempty"` // the slot's failure is of it: its message tells the error
}

// ErrorBeside is the target's error where the slot's failure does not tell it.
func (t *TargetStatus) ErrorBeside() string {
	if t.Failed {
		return ""
	}
	return t.Error
}

// UnhealthyTargets counts the required targets that are missing, changed or unusable.
func (s *Status) UnhealthyTargets() (n int) {
	for i := range s.Sinks {
		if t := &s.Sinks[i]; t.Required && t.State.IsUnhealthy() {
			n++
		}
	}
	return n
}

// TokenStatus is one older token of a slot that Cloudflare may still accept.
type TokenStatus struct {
	TokenID      string    `json:"token_id"`
	RotationID   string    `json:"rotation_id,omitempty"`
	Created      time.Time `json:"created,omitzero"`
	Expires      time.Time `json:"expires,omitzero"`
	Retire       time.Time `json:"retire,omitzero"` // when its grace ends
	LeftToExpire bool      `json:"left_to_expire,omitempty"`
	TakenOver    bool      `json:"taken_over,omitempty"` // by retire: matching; it has its grace after a compromise, too
}
