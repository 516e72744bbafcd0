// Package sinktest is the conformance suite that every sink passes: what the comment of sinks.Sink
// promises, as tests.
//
// A sink's own test gives Run a Harness: how to open it, how to put and read content behind its
// back, and how to break the store. What a store cannot do the harness leaves out, and the suite
// says so.
package sinktest

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Canary is the token that every record of the suite carries; no error may show
// it. It has characters that JSON, shells and URLs treat specially.
const Canary = "eyJhbGciOi.canary<&>'$" + marker

// marker is the part that no format has to escape.
const marker = "7f3a9c=.sig_-nature"

// Harness is a store under test and the means to look at it from outside. All
// functions act on one store for the whole suite.
type Harness struct {
	// Open opens a new sink on the store. The suite closes it.
	Open func(t *testing.T) sinks.Sink
	// Target returns a target that nothing was written to yet.
	Target func(t *testing.T) string
	// Peek reads target as a consumer would, not through the sink, and returns it
	// in the form of Render.
	Peek func(t *testing.T, target string) (content string, exists bool)
	// Foreign makes target hold something that no sink wrote, by other means.
	Foreign func(t *testing.T, target string)

	// Break makes the store unreachable until mend is called.
	Break func(t *testing.T) (mend func())
	// Deny withdraws the permission to write target until allow is called.
	Deny func(t *testing.T, target string) (allow func())
	// ProbeBlind is set when the store offers no way to learn of a denial without
	// writing, so that Probe cannot predict it.
	ProbeBlind bool

	// Versions counts the changes of target that a consumer can see; nil when the
	// store keeps no count.
	Versions func(t *testing.T, target string) int
	// Spoil makes what the sink reads from disk to open half written until mend is
	// called; nil when it reads nothing.
	Spoil func(t *testing.T) (mend func())
	// Hang makes the store accept requests and answer none until release is
	// called; nil when it cannot be done.
	Hang func(t *testing.T) (release func())
	// Front is nil when the store is not reached over HTTP.
	Front *Front
	// Echo is nil for a store that is not reached over HTTP.
	Echo *Echo
}

// Record returns a record of rotation n of one slot. Its token holds Canary and n.
func Record(n int) sinks.Record {
	at := time.Date(2026, 11, 23, 4, 0, n, 0, time.UTC)
	return sinks.Record{
		Names: sinks.Names{
			Relay: "live-main", RelayID: "a1b2c3d4e5f67890a1b2c3d4e5f67890", Type: string(moq.Subscribe),
			Account: "main", AccountID: "023e105f4ecef8ad9ca31a8372d0c353", Instance: "default",
		},
		Token:      secret.New(Canary + string(rune('a'+n))),
		TokenID:    "0123456789abcdef0123456789abcde" + string(rune('0'+n%10)),
		RotationID: rotationID(n),
		RotatedAt:  at,
		ExpiresAt:  at.Add(30 * 24 * time.Hour),
	}
}

func rotationID(n int) string {
	return "01jd8x3k7m9p2q4r5s6t7v8w" + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}
