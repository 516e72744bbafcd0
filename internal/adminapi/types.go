// Package adminapi is the HTTP API's vocabulary, shared by the server and its
// clients, and the client that the command line uses on the admin socket.
// Nothing in it can carry a token's value.
//
// What is only a shape of the wire is declared here. What the engine itself speaks of, a
// status or an event, is the engine's type. Go names are the JSON names in both, but for two
// older words that the glossary lists; a test goes through them all.
package adminapi

import (
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

// What may be asked for at once.
const (
	MaxHistory  = 1000                 // events
	MaxForecast = 366 * 24 * time.Hour // ahead
)

// SlotList answers GET /api/v1/slots.
type SlotList struct {
	Slots []slot.Status `json:"slots"`
	// Notes are what a person should know of the installation: "the clock is 3 h ahead"; first, why it is not ready.
	Notes []string `json:"notes,omitempty"`
	// Leader is the replica that leads; nil on one machine.
	Leader *Leader `json:"leader,omitempty"`
}

// Leader is the replica that leads.
type Leader struct {
	Replica string    `json:"replica"`
	Since   time.Time `json:"since"`
}

// RotateRequest is the optional body of POST /api/v1/slots/{relay}/{type}/rotate.
type RotateRequest struct {
	Compromised bool `json:"compromised,omitempty"` // no grace: revoke the old tokens as soon as the new one is served
}

// EventList answers GET /api/v1/history, newest first.
type EventList struct {
	Events []slot.Event `json:"events"`
}

// TokenList answers GET /api/v1/tokens/{relay} and POST /api/v1/tokens/{relay}/prune.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// PruneRequest is the optional body of POST /api/v1/tokens/{relay}/prune.
type PruneRequest struct {
	DryRun   bool     `json:"dry_run,omitempty"`   // only list, and say which would be revoked
	TokenIDs []string `json:"token_ids,omitempty"` // these alone, of another living installation of this one's name too
}

// RunList answers GET /api/v1/plan, soonest first.
type RunList struct {
	Runs []Run `json:"runs"`
}

// Problem is the body of every answer that is an error.
type Problem struct {
	Error string `json:"error"`
}

// The words that the engine shares with the API.
type (
	// Token is one token that a relay holds.
	Token = slot.RelayToken
	// Owner says whose a token is.
	Owner = slot.Owner
	// Run is one rotation that a schedule, or `initial: now`, will begin.
	Run = slot.Run
)

// The owners of a token.
const (
	Ours            = slot.Ours
	Former          = slot.Former
	ForeignInstance = slot.ForeignInstance
	OtherInstance   = slot.OtherInstance
	Others          = slot.Others
)
