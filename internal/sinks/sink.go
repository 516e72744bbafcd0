// Package sinks is the contract between rotation and the places that keep
// tokens for their consumers.
//
// A Spec is a sink as it is configured, and touches nothing: it says where a target is and how a value
// is rendered for it. Opened it is a Sink, which reads, writes and probes targets. It neither
// retries nor logs; what it says of a failure is a *fault.Error, and rotation decides. Around each stands
// the same decorator (Decorate), which bounds a call, measures it, names the sink in errors, catches panics and
// takes secrets out of texts; what a call has seen of them it confides (Confide). One that cannot be opened yet is
// stood in for (Deferred). The suite in sinktest holds every sink to all of this.
package sinks

import (
	"context"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

// Sink keeps values at targets for their consumers to read. A target is a
// rendered path or secret id of that sink.
//
// All methods are safe for concurrent use, for different targets and for one.
// They return when ctx ends, at the latest. They do not retry and do not log:
// an error is a *fault.Error (class, reason, operation, target, the store's
// own code and message, a hint), never holding a value, and the caller decides.
// A write whose answer was lost may be classed Retry: repeating it is harmless.
type Sink interface {
	// Render returns the content that a target of this sink holds for r: the file's
	// bytes, the secret string, or a JSON object of fields with sorted keys. It is
	// pure: the same record gives the same bytes.
	Render(r Record) (secret.Value, error)

	// Probe finds out, as deeply as is possible without changing what target holds,
	// whether a Write to target would succeed, and what target holds.
	Probe(ctx context.Context, target string, o ProbeOptions) (Holding, error)

	// Write makes target hold content, whole or not at all, and returns only when
	// the store has acknowledged it as durable. Writing the same content for the
	// same rotation again changes nothing that a consumer can see.
	Write(ctx context.Context, target string, content secret.Value, o WriteOptions) error

	// MaxContent is the size in bytes of the largest content that the store takes and
	// gives back whole.
	MaxContent() int

	// Place names the place that target is at this moment, whatever it is called: two targets
	// of one place have one content. "" where Spec.Locate tells all of it. It changes nothing.
	Place(ctx context.Context, target string) (string, error)

	// Read returns what target holds, in the form that Render gives. A target that
	// does not exist, or was deleted, is no error: Holding.Exists is false.
	Read(ctx context.Context, target string) (Holding, error)

	// Refresh reads again what the sink keeps of what lies on disk: authorities,
	// certificates, keys; changed says that it is another. What is missing, or not whole,
	// is an error; then what was read before stays in force. It does not call the store.
	Refresh(ctx context.Context) (changed bool, err error)

	// Close ends background work and connections. No method is called after it.
	Close() error
}

// ProbeOptions say what a probe is to find out.
type ProbeOptions struct {
	// Read: the content must be readable. Without it Holding.Known may be false.
	Read bool
	// Trial is content as long as the next one, when a mint follows: what looking does not
	// tell is tried then, so that it changes nothing for a consumer. It is not a token's, and is
	// never written where a consumer could read it. Empty: nothing is written anywhere.
	Trial secret.Value
	// Guessed says that the length of Trial is one: that it is too long is no error, then.
	Guessed bool
	// Ours reports whether content is what some slot of this installation delivered to the target last, or may have: it
	// may be replaced. Nil: none is.
	Ours func(content secret.Value) bool
}

// HasManyNames reports whether a location may be one place with another: links and mounts lead to files.
func HasManyNames(location string) bool { return strings.HasPrefix(location, "file://") }

// Apart is part of a sink whose targets are one place only where they are located at one.
type Apart struct{}

// Place implements Sink.
func (Apart) Place(context.Context, string) (string, error) { return "", nil }

// WriteOptions say what a sink may need of a write besides its content.
type WriteOptions struct {
	RotationID string
	// Ours reports whether content is what some slot of this installation delivered to the target last, or may have: it
	// may be replaced.
	Ours func(content secret.Value) bool
}

// Holding is what a target was found to hold.
type Holding struct {
	Known   bool // false when it could not be looked at (no permission to read)
	Exists  bool
	Content secret.Value
	// MayBeStale says that the store may have answered with what the target held a while ago, as a standby does.
	MayBeStale bool

	// Warnings tell of what works and may not be what is meant; a Probe fills them in.
	Warnings []string
	// Untried says what only a Probe with a Trial finds out, such as "whether the key may be used"; "" when
	// nothing was left open.
	Untried string
}

// Record is everything a delivery can say about a token.
type Record struct {
	Names
	Token      secret.Value
	TokenID    string // jti; of in_place as the value claims, else empty
	RotationID string
	RotatedAt  time.Time // UTC, whole seconds; journalled, so a repeat is the same
	ExpiresAt  time.Time // zero when unknown, as under in_place where the value claims none
}

// Names are the words that target templates see.
type Names struct {
	Relay     string // the relay's key in the configuration
	RelayID   string
	Type      string
	Account   string // the account's key in the configuration
	AccountID string
	Instance  string
}

// Spec is a sink's configuration: pure data, checked without network or files.
type Spec interface {
	// Shared returns the keys that every sink takes.
	Shared() *Common
	// Diagnostics lists what is wrong, each with its key relative to the sink. A sink with warnings alone works.
	Diagnostics() []Diagnostic
	// TargetTemplate is the text/template over Names that gives a slot's target.
	TargetTemplate() string
	// Locate returns the place that target is, the same for the same place whatever
	// the sink is called (file:///…, vault+https://…, awssm://region/…), or an error
	// saying why target cannot be one.
	Locate(target string) (string, error)
	// Render and MaxContent are those of the sink. Templates keeps what was parsed.
	Render(t *Templates, r Record) (secret.Value, error)
	MaxContent() int
	// Open builds the sink. It does no I/O that can fail for a passing reason: a
	// store that is down shows in Probe.
	Open(ctx context.Context, o OpenOptions) (Sink, error)
}

// OpenOptions are what a sink is built with besides its configuration.
type OpenOptions struct {
	Name string // the sink's key in the configuration
	// Env is the environment as it was when rotatord started.
	Env secret.Environment
	// Withheld names variables of Env that are no longer in the process's own
	// environment: a program that a sink starts does not see them.
	Withheld []string
	// Warn tells a person of something that works and may not be what is meant. It may be nil.
	Warn func(text string)
	// Logins are the refused logins, shared by all sinks; nil: none is remembered.
	Logins *Logins
	// Connections and Files bound what the sink may have open at once: connections to a
	// host, and calls that open files. 0: as many as it likes.
	Connections, Files int
	// MayAct, unless it is nil, is asked right before anything is changed, or sent, by a call that has no mandate of
	// its own (package mandate): by a connection before each of its bytes leaves, by a file before it takes its name.
	// Its error says why this process may not act any more. It does not block.
	MayAct func() error
}

// Diagnostic is one thing that is wrong with a sink's configuration.
type Diagnostic struct {
	Key  string // path of the key below the thing checked: "auth.approle.role_id", "redirect_hosts[0]"; "" for the whole
	Text string // what is wrong
	Hint string // what to do; may be empty
	// Warning: it works, and may not be what is meant.
	Warning bool
	// Missing: it follows from what is not there, and is told unless what stands below Key could not be read.
	Missing bool
}
