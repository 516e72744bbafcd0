package rotation

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Cloudflare is what rotation needs of one account. Errors are *fault.Error:
// Ambiguous when the call may have been carried out, else nothing was changed.
// Calls wait for the account's budget in order of priority. Safe for concurrent use.
//
// Reserve asks for one call's place in the budget without making it; granted is
// called once, from any goroutine, when the place is there. The next Create or
// Rotate with Priority.Reserved set uses it up; cancel gives up the wait or
// hands an unused place back, and does nothing after the place was used.
//
// Prove makes sure that calls reach Cloudflare: when the account has not answered as
// Cloudflare does for nearly a minute, it is asked for the relay, and an error says what
// came. A call with Priority.Proven set is not sent once a minute has passed.
//
// Warm makes sure that the next call finds a connection open; it sends no request
// and returns soon, whether it succeeded or not.
type Cloudflare interface {
	Warm(ctx context.Context)
	Prove(ctx context.Context, p moq.Priority, relayID string) error
	Reserve(p moq.Priority, granted func()) (cancel func())
	Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error)
	List(ctx context.Context, p moq.Priority, relayID string) ([]moq.Token, error)
	Revoke(ctx context.Context, p moq.Priority, relayID, tokenID string) error
	Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error)
}

// Journal keeps records and history durably. Safe for concurrent use; writes of
// different slots are grouped into one commit, without a delay.
type Journal interface {
	// Save makes r, and the events if any, durable in one commit before it returns.
	// On an error nothing of it is kept. A permanent one is of this record alone.
	Save(ctx context.Context, r *Record, events ...Event) error
	// Load calls visit for every record. The record is visit's to keep, but its words
	// are parts of longer texts.
	Load(ctx context.Context, visit func(*Record) error) error
	// History gives the newest events first, of one slot or (nil) of all; limit 0 means 1000.
	History(ctx context.Context, key *moq.Key, limit int) ([]Event, error)
	// Check writes and syncs a small probe, to learn whether Save would work. It fails
	// with ErrJournalLost when what was saved is gone, and Restore may bring it back.
	Check(ctx context.Context) error
	// Restore writes all of the records anew where what was saved is lost.
	Restore(ctx context.Context, records iter.Seq[*Record]) error
	// DigestKey is the installation's random key for the digests of receipts; it is
	// made once and lives as long as the journal.
	DigestKey() []byte
}

// ErrJournalLost says that files of the journal were lost while it was in use.
var ErrJournalLost = errors.New("files of the journal were lost")

// Sealer seals values for the journal. Safe for concurrent use.
type Sealer interface {
	// Seal is quick: consumers may be waiting.
	Seal(v secret.Value) ([]byte, error)
	// Open fails with an error when the identity that sealed is not at hand.
	Open(sealed []byte) (secret.Value, error)
}

// Schedule says when a slot is to rotate. It is immutable.
type Schedule interface {
	// Next is the first instant after t; zero when there is none. For "@every d"
	// it is t + d.
	Next(t time.Time) time.Time
	// Latest is the last instant in (after, now]; zero when there is none.
	Latest(after, now time.Time) time.Time
}

// Accounts finds the client of an account by its Cloudflare id.
type Accounts interface {
	Account(id string) (Cloudflare, bool)
}

// Alarm wakes a slot at a wall-clock time: Set moves it, the zero time clears it.
// A slot has one key all its life, so that its address will do for its name.
// Safe for concurrent use.
type Alarm interface {
	Set(k *moq.Key, at time.Time)
}

// Sinks finds an open sink by its key in the present configuration.
type Sinks interface {
	Sink(name string) (sinks.Sink, bool)
}

// Observer is told what happened, as it happens; metrics implement it. Its
// methods do not block and are safe for concurrent use.
type Observer interface {
	RotationDone(p *Plan, s moq.Strategy, result Result, took time.Duration)
	AttemptFailed(account string, step Step, reason string)
	MintCalled(lag time.Duration) // once a rotation: jittered due instant to mint call
	BlackoutEnded(d time.Duration)
	Drifted(sink string)
	JournalFailed()
}

// Result is how a rotation ended; a metric label.
type Result string

// The results.
const (
	ResultSuccess    Result = "success"
	ResultFailure    Result = "failure"
	ResultSuperseded Result = "superseded"
)

// Results lists them.
func Results() []Result { return []Result{ResultSuccess, ResultFailure, ResultSuperseded} }

// Clock tells the wall clock and the elapsed-time clock. Safe for concurrent use.
type Clock interface {
	Now() time.Time
	// Elapsed is the time since boot, counting suspension, and the boot's id.
	Elapsed() Reading
}
