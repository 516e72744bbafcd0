package rotation

import (
	"context"
	"iter"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// Cloudflare is what rotation needs of one account. Errors are *fault.Error:
// Ambiguous of a mint that may have been carried out; of Permanent nothing was changed, and Retry is harmless to repeat.
// Calls wait for the account's budget in order of priority. Safe for concurrent use.
//
// Reserve asks for one call's turn in the budget without making it; granted is
// called once, from any goroutine, when the turn is there. The next Create or
// Rotate with Priority.Reserved set uses it up; cancel gives up the wait or
// hands an unused turn back, and is not to be called after the turn was used.
//
// OpensAt is when the budget lets the next call that waits through at the soonest; zero
// when none waits, or nothing tells.
//
// Prove makes sure that calls reach Cloudflare: when the account has not answered as
// Cloudflare does for nearly a minute, it is asked for the relay, and an error says what
// came. A call with Priority.Proven set is not sent once a minute has passed.
//
// Time is Cloudflare's time as the account's answers tell it; it asks for none.
//
// Warm makes sure that the next call finds a connection open; it sends no request
// and returns soon, whether it succeeded or not.
//
// WatchBlock calls f with until when Cloudflare refuses all calls, whenever that begins or is put off, and with zero when
// it ends; f does not block. Block has calls wait as an earlier process was told to; BeginTerm has them begin
// without a burst, as it is not known what a former leader used of the budget.
type Cloudflare interface {
	WatchBlock(f func(until time.Time)) (stop func())
	Block(until time.Time)
	BeginTerm()
	Time() moq.CloudflareTime
	Warm(ctx context.Context)
	Prove(ctx context.Context, p moq.Priority, relayID string) error
	Reserve(p moq.Priority, granted func()) (cancel func())
	OpensAt() time.Time
	Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error)
	List(ctx context.Context, p moq.Priority, relayID string) (moq.TokenList, error)
	Revoke(ctx context.Context, p moq.Priority, relayID, tokenID string) error
	Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error)
}

// Journal keeps records and history durably. Safe for concurrent use; writes of
// different slots are grouped into one commit, without a delay.
type Journal interface {
	AccountNotes
	// Save makes r, and the events if any, durable in one commit before it returns.
	// On an error nothing of it counts as kept: the next save takes back what may have reached the disk, and only a
	// crash, or the end of the term, before that can bring it back. A permanent one is of this record alone.
	Save(ctx context.Context, r *slot.Record, events ...slot.Event) error
	// Load calls visit for every record. The record is visit's to keep, but its words
	// are parts of longer texts.
	Load(ctx context.Context, visit func(*slot.Record) error) error
	// History returns the newest events first, of one slot or (nil) of all; limit 0 means 1000.
	History(ctx context.Context, key *moq.Key, limit int) ([]slot.Event, error)
	// Check writes and syncs a small probe, to learn whether Save would work. It fails
	// with slot.ErrRecordsLost when what was saved is gone, and Restore may bring it back.
	Check(ctx context.Context) error
	// Restore writes all of the records anew where what was saved is lost.
	Restore(ctx context.Context, records iter.Seq[*slot.Record]) error
	// DigestKey is the installation's random key for the digests of receipts; it is
	// made once and lives as long as the journal.
	DigestKey() []byte
}

// AccountNotes keeps what is to be known of accounts at the next start, beside the records. Safe for concurrent use.
type AccountNotes interface {
	// SaveAccount makes a note durable before it returns, in the place of the account's former one.
	SaveAccount(ctx context.Context, n slot.AccountNote) error
	// LoadAccounts returns the notes of all accounts, in no order. damaged is called for each that cannot be read; it is
	// left out.
	LoadAccounts(ctx context.Context, damaged func(error)) ([]slot.AccountNote, error)
}

// Term is a leader's term, of one of several replicas. Safe for concurrent use.
type Term interface {
	// MayAct returns nil as long as no other replica can lead. It asks nobody.
	MayAct() error
	// Prove returns nil if the store said within the last second that the term goes on; it asks where that is longer ago.
	Prove(ctx context.Context) error
}

// LeaderClock is what the wall clock of the last leader told, as it was journalled; the zero value: nothing was heard.
type LeaderClock struct {
	Wall  time.Time     // the leader's
	Heard time.Duration // our elapsed-time clock when we heard it
}

// Sealer seals values for the journal. Safe for concurrent use.
type Sealer interface {
	// Seal is quick: consumers may be waiting.
	Seal(v secret.Value) ([]byte, error)
	// Open fails with an error when the identity that sealed is not at hand.
	Open(sealed []byte) (secret.Value, error)
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
	// RotationCounted is told each rotation that ended, and each failed attempt of one that goes on:
	// rotatord_rotations_total.
	RotationCounted(p *slot.Plan, s moq.Strategy, result slot.Result, took time.Duration)
	// AttemptFailed is told each failed attempt, and each mint that a full relay refused:
	// rotatord_rotation_failures_total. Not those of optional deliveries: rotatord_sink_deliveries_total counts them where
	// they came to a write.
	AttemptFailed(account string, step slot.Stage, reason string)
	// LagMeasured is told the time from the due instant to the mint call: of each attempt that the schedule began, but
	// not of an in_place one that is called again.
	LagMeasured(lag time.Duration)
	BlackoutEnded(d time.Duration)
	Drifted(sink string)
	ClaimsContradicted(account string) // once a mint whose value claims something else than its answer told
}

// Clock tells the wall clock and the elapsed-time clock. Safe for concurrent use.
type Clock interface {
	Now() time.Time
	// Elapsed is the time since boot, counting suspension, and the boot's id.
	Elapsed() slot.Reading
}
