package slot

import "time"

// Stage is where an attempt failed; a metric label.
type Stage string

// The steps.
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

// Failure is the present run of failed attempts of a slot.
type Failure struct {
	Count   int       `json:"count"`
	Since   time.Time `json:"since"`
	At      time.Time `json:"at"`   // the last one
	Next    time.Time `json:"next"` // the next attempt
	Stage   Stage     `json:"step"`
	Reason  string    `json:"reason"`
	Sink    string    `json:"sink,omitempty"`
	Message string    `json:"message"`
}
