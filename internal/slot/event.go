package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Event is one line of a slot's history.
type Event struct {
	At         time.Time     `json:"at"`
	Slot       string        `json:"slot"` // relay/type as named at the time
	Key        moq.Key       `json:"key"`
	Kind       EventKind     `json:"what"`
	RotationID string        `json:"rotation_id,omitempty"`
	TokenID    string        `json:"token_id,omitempty"`
	Strategy   moq.Strategy  `json:"strategy,omitempty"`
	Cause      Cause         `json:"cause,omitempty"`
	By         string        `json:"by,omitempty"`
	Took       time.Duration `json:"took,omitempty"` // from the first mint call to the conclusion: every required target holds the value
	Stage      Stage         `json:"step,omitempty"`
	Detail     string        `json:"detail,omitempty"`
}

// About makes an event one of an older token instead of the latest rotation.
func (ev *Event) About(t Token) {
	ev.TokenID, ev.RotationID, ev.Cause, ev.By = t.ID, t.RotationID, "", ""
}

// EventKind is the kind of a history event.
type EventKind string

// The kinds.
const (
	EventRotated    EventKind = "rotated"    // a new token is verified everywhere it is required
	EventSuperseded EventKind = "superseded" // an unfinished rotation gave way to a newer one
	EventFailed     EventKind = "failed"     // the first failed attempt of a failure
	EventRevoked    EventKind = "revoked"    // an old token was revoked
	EventReclaimed  EventKind = "swept"      // the token of a lost or refused mint was revoked; an older word, as it is on the wire
	EventDrifted    EventKind = "drifted"    // a target was found missing or changed
	EventRequested  EventKind = "requested"  // somebody asked for a rotation
)
