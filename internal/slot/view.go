package slot

import "time"

// View is everything that a decision is made from.
type View struct {
	Record *Record
	Plan   *Plan // nil: the slot left the configuration
	Seen   *Observation
	Sinks  map[string]bool // sinks of the configuration
	Taken  map[string]bool // locations that a slot left and another one has now

	NextCheck Timestamp // when targets are looked at again
	Sightings ByLocation[Sighting]

	ForeignInstance []string // ids of the relay's tokens that another living installation of our name minted

	Inspected        bool          // targets were looked at once at least
	OthersAwaitedFor time.Duration // how much longer other slots, which were not looked at yet, are waited for

	BudgetUntil time.Time // for the status alone: the account's request budget lets nothing through before; zero when nothing tells

	Times
	ActiveSince time.Time // since when this process can act, its start or the end of a suspension: what came due before and is unmet was missed
	JournalDown bool      // the journal cannot be written: mint nothing

	ClockUnset bool // the wall clock is before the build's date, and Cloudflare's time is not known: start and revoke nothing, but end blackouts
}
