package slot

import (
	"time"
)

// How long something seen stays good enough to act on.
const (
	FreshFor   = 30 * time.Second // a look at a target, a listing
	NotGoneFor = time.Minute      // that the token of the latest rotation is not known to be gone
	provenFor  = 5 * time.Second  // that calls reach Cloudflare: what Prove leaves of its minute
)

// Observation is what this process has seen of a slot: volatile, and rebuilt after a
// restart by looking again.
type Observation struct {
	Listing     *Listing
	Inspections ByLocation[Inspection]   // by location; cleared by a failure
	Health      ByLocation[TargetHealth] // by location, of targets that are not well
	Errors      ByLocation[error]        // last trouble with each target, for people
	Absences    []Absence                // of tokens and labels that lists lack

	Reserving bool // a turn in the budget is asked for
	Reserved  bool // and was granted

	RelayFull    bool      // the relay refused a mint: it holds its limit
	NextRoom     Timestamp // when that mint is tried again; zero when it counts as failed
	RelayHolders string    // whose the full relay's tokens are, for people
	Unsaved      bool      // memory is ahead of the journal
	Unsavable    bool      // because the journal refuses this very record

	NotGoneAt Timestamp // when the token of the latest rotation was last not known to be gone
	Proved    Timestamp // calls are known to reach Cloudflare; cleared by a failure
	Minted    string    // rotation whose value this process minted
	Gone      string    // rotation whose value or token can no longer be had

	NextSave       Timestamp
	NextRetirement Timestamp
	TargetFailed   bool          // at the last retirement, which failed: for what is revoked without asking one, that is no reason to wait
	NotRevoked     string        // why the last retirement, or look for a lost mint, failed, for people; "" once what failed went well
	LastListing    time.Duration // on the elapsed-time clock; zero: there was none
	FirstListing   time.Duration // the first of those that each came within a minute of the one before
	NextReclaim    Timestamp

	InspectingOptional ByLocation[bool]      // looks at optional targets in flight, by location
	DeliveringOptional ByLocation[bool]      // optional deliveries in flight, by location
	NextOptional       ByLocation[Timestamp] // until when optional targets are left alone, by location
}

// Sighting is what stays known of a target from one look to the next.
type Sighting struct {
	Checked Timestamp // when it was looked at, for people; zero when that says nothing any more
	Place   uint64    // where it was found, as who looked numbers it; zero when it is nowhere in particular
}

// Depth is how far an inspection of a target goes.
type Depth uint8

// The depths.
const (
	DepthRead  Depth = iota // what it holds
	DepthProbe              // and whether it could be written, as far as that shows without writing
	DepthTrial              // and what only a trial shows
)

// Inspection is what a target was seen to hold, or why it could not be seen.
type Inspection struct {
	At       time.Time
	Depth    Depth
	Err      error
	Known    bool
	Exists   bool
	Digest   []byte
	AtHand   bool     // it is the content of the value on its way, which an earlier process minted
	Ours     bool     // it is what some slot of ours delivered there last, or may have
	TokenIDs []string // what looks like a token's id in the content, or in a JWT there
	// MayBeStale: the store may have answered with what the target held a while ago.
	MayBeStale bool
}

func (l Inspection) isFresh(now time.Time) bool { return Within(l.At, now, FreshFor) }

// Within reports whether at lies no more than d from now, on either side: a wall
// clock set back does not make an observation good for ever.
func Within(at, now time.Time, d time.Duration) bool {
	return !at.IsZero() && now.Sub(at).Abs() <= d
}
