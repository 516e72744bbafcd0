package rotation

import (
	"bytes"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// How long something seen stays good enough to act on.
const (
	freshFor   = 30 * time.Second // a look at a target, a listing
	confirmFor = time.Minute      // that a pending token is still accepted
	provenFor  = 5 * time.Second  // that calls reach Cloudflare: what Prove leaves of its minute
)

// observed is what this process has seen of a slot, and has in hand for it:
// volatile, and rebuilt after a restart by looking again. A slot at rest has none.
type observed struct {
	listing *listing
	looks   places[look]      // by location; cleared by a failure
	drift   places[driftKind] // by location; until delivered anew
	errs    places[error]     // last trouble with each target, for people
	begun   places[[]byte]    // digest of what a write that was not acknowledged may have left, by location

	reserving bool // a place in the budget is asked for
	reserved  bool // and was granted

	full  bool // the relay refused a mint: it holds its limit
	dirty bool // memory is ahead of the journal
	unfit bool // because the journal refuses this very record

	value  heldValue
	cancel func() // gives back the place in the budget
	yield  func() // ends the call that waits for its turn; nil when none does

	confirmed Moment // pending token known to be listed
	proved    Moment // calls are known to reach Cloudflare; cleared by a failure
	gone      string // rotation whose value or token can no longer be had

	saveNext   Moment
	retireNext Moment
	swept      Moment
	sweepNext  Moment
	saves      int32 // failed saves in a row
	retires    int32 // failed retirements in a row
	trails     int32 // failed optional rounds in a row

	trailing  places[bool] // optional deliveries in flight, by location
	glancing  places[bool] // looks at optional targets in flight, by location
	trailNext places[deferral]

	sakes       []sake        // whose the present run of failures is
	retireSakes []sake        // whose the failed retirements are
	released    time.Duration // when they were last tried because somebody came back, on the elapsed-time clock
}

// deferral is until when something is left alone, and for whose sake.
type deferral struct {
	next  Moment
	sakes []sake
}

// seen gives the slot's notes, to read and to write; s.mu is held. They are made
// when there are none, and a slot that comes to rest lets go of them again.
func (s *slot) seen() *observed {
	if s.notes == nil {
		s.notes = new(observed)
	}
	return s.notes
}

// tidy lets go of the notes of a slot that has nothing in hand and rests until a
// time at which it would have to look anew; not of those that then still count.
// s.mu is held.
func (s *slot) tidy(now, until time.Time) {
	o, soon := s.notes, !until.IsZero() && until.Sub(now) <= freshFor
	if o == nil || soon || !s.rec.atRest() || o.pending() || o.yield != nil || len(o.glancing) > 0 {
		return
	}
	o.looks, o.listing = nil, nil
	if !o.full && !o.dirty && o.retires == 0 && o.value.rotationID == "" && len(o.drift)+len(o.errs) == 0 {
		s.notes = nil
	}
}

// atRest tells whether nothing that was begun is still to be brought to an end,
// except by time.
func (r *Record) atRest() bool {
	rot := r.Rotation
	return r.Attempt == nil && r.Failure == nil && len(r.Lost) == 0 && (rot == nil || rot.Phase == Verified && len(rot.Sealed) == 0) &&
		!slices.ContainsFunc(r.Old, func(t Token) bool { return t.Retire.IsZero() })
}

// pending tells whether something goes on beside the passes, and will wake the slot.
func (o *observed) pending() bool {
	return o != nil && (o.reserving || o.reserved || len(o.trailing) > 0)
}

// unlook makes as if neither targets nor account had been looked at; s.mu is held.
func (s *slot) unlook() {
	for i := range s.sights {
		s.sights[i].of.checked = 0
	}
	if s.notes != nil {
		s.notes.looks, s.notes.proved = nil, 0
	}
}

// sight is what stays known of a target from one look to the next.
type sight struct {
	checked Moment // when it was looked at, for people; zero when that says nothing any more
	place   uint64 // where it was found, as claimTable knows it; zero when it is nowhere in particular
}

// listing is what a relay was seen to accept.
type listing struct {
	at     time.Time
	tokens []moq.Token
}

func (l *listing) fresh(now time.Time) bool { return l != nil && within(l.at, now, freshFor) }

func (l *listing) byLabel(label string) (moq.Token, bool) {
	for _, t := range l.tokens {
		if t.Label == label {
			return t, true
		}
	}
	return moq.Token{}, false
}

func (l *listing) has(id string) bool {
	for _, t := range l.tokens {
		if t.ID == id {
			return true
		}
	}
	return false
}

// shows tells whether one of the listed tokens shows in a content.
func (l *listing) shows(k look) bool {
	return l != nil && slices.ContainsFunc(l.tokens, func(t moq.Token) bool { return slices.Contains(k.ids, t.ID) })
}

// depth is how far a look at a target goes.
type depth uint8

const (
	reads  depth = iota // what it holds
	probes              // and whether it could be written, as far as that shows without writing
	tries               // and what only a trial shows
)

// claimant is what follows a look.
func (d depth) claimant() claimant {
	if d < tries {
		return watching
	}
	return minting
}

// look is what a target was seen to hold, or why it could not be seen.
type look struct {
	at     time.Time
	depth  depth
	err    error
	known  bool
	exists bool
	digest []byte
	ids    []string // what looks like a token's id in the content, or in a JWT there
}

func (l look) fresh(now time.Time) bool { return within(l.at, now, freshFor) }

// within tells whether at lies no more than d from now, on either side: a wall
// clock set back does not make an observation good for ever.
func within(at, now time.Time, d time.Duration) bool {
	return !at.IsZero() && now.Sub(at).Abs() <= d
}

// driftKind says how a target differs from what was delivered; "" when it does not.
type driftKind string

const (
	driftMissing driftKind = "missing"
	driftChanged driftKind = "changed"
)

// driftOf compares a look with the target's receipt.
func driftOf(rc Receipt, l look) driftKind {
	switch {
	case rc.RotationID == "" || l.err != nil || !l.known || bytes.Equal(rc.Digest, l.digest):
		return ""
	case !l.exists:
		return driftMissing
	}
	return driftChanged
}
