package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Listing is what a relay was seen to accept.
type Listing struct {
	At      time.Time
	Elapsed time.Duration // on the elapsed clock
	moq.TokenList
	Owners     map[string]string // which other slots of ours own listed tokens: their names, by token id
	OfNamesake []string          // ids of tokens of another living installation that has our name
	Undated    bool              // it could not be told which tokens may be of one
}

func (l *Listing) isRecent(now time.Time) bool { return l != nil && Within(l.At, now, FreshFor) }

// Has reports whether a token is listed.
func (l *Listing) Has(id string) bool {
	return slices.ContainsFunc(l.Tokens, func(t moq.Token) bool { return t.ID == id })
}

func (l *Listing) hasLabel(label string) bool {
	return slices.ContainsFunc(l.Tokens, func(t moq.Token) bool { return t.Label == label })
}

// Without is the listing without a token that was revoked since.
func (l *Listing) Without(id string) *Listing {
	if l == nil {
		return nil
	}
	c := *l
	c.Tokens = slices.DeleteFunc(slices.Clone(l.Tokens), func(t moq.Token) bool { return t.ID == id })
	return &c
}

// hasTokenIn reports whether one of the listed tokens shows in a content.
func (l *Listing) hasTokenIn(k Inspection) bool {
	return l != nil && slices.ContainsFunc(l.Tokens, func(t moq.Token) bool { return slices.Contains(k.TokenIDs, t.ID) })
}

// NoteListing keeps a list of the relay's tokens, and what it says of the slot's own: that the latest
// value may still be delivered, or that its token is gone for sure.
func (v *View) NoteListing(l Listing) {
	o := v.Seen
	l.At, l.Elapsed, l.Undated = v.Now, v.Clock.Elapsed, v.agesAreUnknown()
	o.Listing = &l
	o.noteListedAt(l.Elapsed)
	v.noteAbsences()
	rot := v.Record.Rotation
	switch {
	case rot == nil || rot.Token == nil || rot.Token.ID == "":
	case v.presenceOfLatest() != Absent:
		o.NotGoneAt = TimestampOf(v.Now)
	case v.Record.Unfinished() || len(optionalOf(rot.Targets)) > 0:
		o.Gone = rot.ID
	}
}

// listedFirst lists the relay when the next steps need to know what it accepts.
func (v *View) listedFirst() (Action, bool) {
	if v.Seen.RelayFull && slices.ContainsFunc(v.Record.Retiring, func(t Token) bool { return v.expired(&t) || v.mayHaveExpired(&t) }) {
		if a := v.retireTokens(); !isWait(a) {
			return a, false
		}
	}
	need := len(v.Record.Orphans) > 0 || v.Plan.Matching || v.Seen.RelayFull
	if !need || v.Plan.Strategy != moq.Overlap || v.Seen.Listing.isRecent(v.Now) {
		return nil, true
	}
	return List{StagePreflight}, false
}

// listedAgain has the relay listed again when that may tell more than the list before.
func (v *View) listedAgain(stage Stage) Action {
	if v.Seen.Listing == nil {
		return List{stage}
	}
	if again := v.Seen.Listing.Elapsed + listsApart; v.Clock.Elapsed < again {
		return Wait{v.Now.Add(again - v.Clock.Elapsed)}
	}
	return List{stage}
}
