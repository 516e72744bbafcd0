package slot

import "time"

// Cause says why a rotation was started.
type Cause string

// The causes.
const (
	CauseInitial     Cause = "initial"     // the slot has never rotated
	CauseSchedule    Cause = "schedule"    // an instant of its schedule
	CauseRequested   Cause = "manual"      // somebody asked
	CauseCompromised Cause = "compromised" // somebody asked with --compromised
	CauseExpiry      Cause = "expiry"      // a third of the token's life was left
	CauseDrift       Cause = "drift"       // a target was found missing or changed
	CauseNewTarget   Cause = "new_target"  // the configuration gained a target
	CauseLateCommit  Cause = "late_commit" // a lost rotate call may have committed late
	CauseLostValue   Cause = "lost_value"  // the value to deliver can no longer be had
)

// Request is a rotation that somebody asked for.
type Request struct {
	At          time.Time `json:"at"`
	By          string    `json:"by"`
	Compromised bool      `json:"compromised,omitempty"`
	// After is the latest rotation id that the slot had used: a later one meets the request.
	After string `json:"after,omitempty"`
}

// metBy reports whether a rotation began after the request.
func (q *Request) metBy(rot *Rotation) bool {
	if q.After == "" { // an earlier version kept the time alone
		return !rot.Started.Time().Before(q.At)
	}
	return rot.ID > q.After
}

// beforeAll sorts before every rotation id.
const beforeAll = "0"

// CauseOf is the cause of a rotation that a request asks for.
func CauseOf(q Request) Cause {
	if q.Compromised {
		return CauseCompromised
	}
	return CauseRequested
}
