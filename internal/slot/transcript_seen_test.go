package slot

import (
	"errors"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// seenForms are the lines of an observation: what this process sees now.
func (s *transcript) seenForms() []form {
	o := s.v.Seen
	return append(s.lookForms(), []form{
		{"listed nothing", func(*clause) { s.list(nil, true) }},
		{"listed among others TEXT", func(c *clause) { s.list(c.list(0), false) }},
		{"listed without saying of what issuer", func(*clause) { s.list(nil, false) }},
		{"listed TEXT", func(c *clause) { s.list(c.list(0), true) }},
		{"listed last at TIME", func(c *clause) {
			o.LastListing = s.v.Clock.Elapsed - s.v.Now.Sub(c.time(0))
		}},
		{"the turn is asked for", func(*clause) { o.Reserving = true }},
		{"nothing passes the budget before TIME", func(c *clause) { s.v.BudgetUntil = c.time(0) }},
		{"the turn is there", func(*clause) { o.Reserving, o.Reserved = false, true }},
		{"a namesake mints NAME", func(c *clause) { s.v.ForeignInstance = append(s.v.ForeignInstance, s.letter(c.words[0])) }},
		{"the clock was never set", func(*clause) { s.v.ClockUnset = true }},
		{"the clock was set", func(*clause) { s.v.ClockUnset = false }},
		{"the account answers", func(*clause) { o.Proved = TimestampOf(s.v.Now) }},
		{"the relay is full", func(*clause) { o.RelayFull = true }},
		{"the token is listed", func(*clause) { o.NotGoneAt = TimestampOf(s.v.Now) }},
		{"the value of NAME is gone", func(c *clause) { o.Gone = s.rotationID(c.words[0]) }},
		{"the record is not saved", func(*clause) { o.Unsaved = true }},
		{"the journal refuses the record", func(*clause) { o.Unsaved, o.Unsavable = true, true }},
		{"the record is saved", func(*clause) { o.Unsaved, o.Unsavable = false, false }},
		{"the journal cannot be written", func(*clause) { s.v.JournalDown = true }},
		{"the journal can be written", func(*clause) { s.v.JournalDown = false }},
		{"no save before TIME", func(c *clause) { o.NextSave = c.timestamp(0) }},
		{"no retirement before TIME", func(c *clause) { o.NextRetirement = c.timestamp(0) }},
		{"no search before TIME", func(c *clause) { o.NextReclaim = c.timestamp(0) }},
		{"NAME is being delivered to", func(c *clause) { o.DeliveringOptional.Set(s.target(c.words[0]).Location, true) }},
		{"NAME is left alone until TIME", func(c *clause) {
			o.NextOptional.Set(s.target(c.words[0]).Location, c.timestamp(1))
		}},
	}...)
}

// lookForms are the lines about looks at targets.
func (s *transcript) lookForms() []form {
	o := s.v.Seen
	return []form{
		{"NAME holds nothing DEPTH", func(c *clause) { s.look(c, Inspection{Known: true}) }},
		{"NAME holds something else DEPTH", func(c *clause) { s.look(c, held("something else")) }},
		{"NAME holds something else with the token NAME DEPTH", func(c *clause) {
			s.look(c, held("something else", s.letter(c.words[1])))
		}},
		{"NAME holds what another slot delivered there DEPTH", func(c *clause) {
			l := held("what another slot delivered")
			l.Ours = true
			s.look(c, l)
		}},
		{"NAME holds NAME DEPTH", func(c *clause) {
			l := held(s.letter(c.words[1]), c.words[1])
			l.AtHand = s.v.Record.Unfinished() && s.v.Record.Rotation.ID == s.rotationID(c.words[1])
			l.Ours = l.AtHand && s.v.MayHoldLatest(s.target(c.words[0]).Location)
			s.look(c, l)
		}},
		{"NAME may not be read DEPTH", func(c *clause) {
			s.look(c, Inspection{Err: fault.Newf(fault.Permanent, fault.Forbidden, "read", c.words[0], "no permission")})
		}},
		{"NAME cannot be told DEPTH", func(c *clause) { s.look(c, Inspection{}) }},
		{"NAME refuses it DEPTH", func(c *clause) { s.look(c, Inspection{Err: errRefused(c.words[0])}) }},
		{"NAME may answer stale", func(c *clause) { s.stale[s.target(c.words[0]).Location] = true }},
		{"NAME is being looked at", func(c *clause) { o.InspectingOptional.Set(s.target(c.words[0]).Location, true) }},
		{"NAME does not answer DEPTH", func(c *clause) { s.look(c, Inspection{Err: errNoAnswer(c.words[0])}) }},
		{"all targets were looked at", func(*clause) { s.checked() }},
		{"targets are to be looked at", func(*clause) { s.v.NextCheck = 0 }},
		{"NAME is at a place", func(c *clause) { s.v.Sightings.Edit(s.target(c.words[0]).Location).Place = 1 }},
		{"other slots are waited for for DURATION", func(c *clause) { s.v.OthersAwaitedFor = c.duration(0) }},
	}
}

func held(content string, tokens ...string) Inspection {
	return Inspection{Known: true, Exists: true, Digest: []byte(content), TokenIDs: tokens}
}

func errNoAnswer(sink string) error {
	return fault.Newf(fault.Retry, fault.Unreachable, "", sink, "no answer")
}

func errRefused(sink string) error {
	return fault.Newf(fault.Permanent, fault.Forbidden, "", sink, "permission denied")
}

// tell keeps what people are told of a target.
func (s *transcript) tell(t Target, c HealthChange, h TargetHealth) {
	if c == Unchanged {
		return
	}
	l := lines{}
	l.add(h.State != "", "%s since %s", h.State, timestampText(h.Since))
	s.told = append(s.told, l.oneLine(t.Sink+" "+string(c)))
}

// look notes what a look at a target found, as the worker does: what is not ours is an error, and what differs from
// what was delivered is drift, unless a delivery is on its way.
func (s *transcript) look(c *clause, l Inspection) {
	t, o, r := s.target(c.words[0]), s.v.Seen, s.v.Record
	l.At, l.Depth = s.v.Now, s.depth(c.words[len(c.words)-1])
	if l.Err == nil && !t.Adopt && r.HoldsForeign(t, l) {
		l.Err = errors.New(t.Sink + " holds something that rotatord did not write")
	}
	s.v.Sightings.Edit(t.Location).Checked = TimestampOf(l.At)
	l.MayBeStale = s.stale[t.Location]
	before, after := o.NoteInspection(r, t, l, s.v.Clock.Elapsed)
	s.tell(t, after.ChangeFrom(before, l.Depth), after)
}

func (s *transcript) depth(word string) Depth {
	switch oneOf(s, word, "(read)", "(probe)", "(trial)") {
	case "(read)":
		return DepthRead
	case "(probe)":
		return DepthProbe
	}
	return DepthTrial
}

// checked notes that all required targets were looked at.
func (s *transcript) checked() {
	s.v.Inspected = true
	s.v.NextCheck = TimestampOf(s.v.Now.Add(min(s.v.Plan.CheckInterval(), time.Hour)))
}

// list notes what the relay was seen to accept: all of it, or what a list shows that says that there is more.
func (s *transcript) list(texts []string, all bool) {
	l := Listing{TokenList: moq.TokenList{Complete: all}, Owners: map[string]string{}}
	for _, text := range texts {
		t := s.listed(text)
		l.Tokens = append(l.Tokens, t)
		if strings.HasSuffix(text, "(of another slot)") {
			l.Owners[t.ID] = "live/viewer"
		}
		if strings.HasSuffix(text, "(of a namesake)") {
			l.OfNamesake = append(l.OfNamesake, t.ID)
		}
	}
	s.v.NoteListing(l)
}

// listed reads a listed token: "A", which an attempt of ours made, "X (of nobody)", "X (of there)", which another
// installation made, "X (of another slot)" of ours, "X (of nobody for subscribing)", with fewer rights, and
// "X (labelled A)", which bears A's label, and "X (of a namesake)", an installation that has our name.
func (s *transcript) listed(text string) moq.Token {
	name, whose, _ := strings.Cut(text, " (")
	t := moq.Token{
		ID: s.letter(name), Operations: s.v.Plan.Operations, Created: s.v.tokenTime(), Expires: s.v.tokenTime().Add(longestLife),
		Label: moq.Label("here", s.rotationID(name)),
	}
	if twin, ok := strings.CutPrefix(strings.TrimSuffix(whose, ")"), "labelled "); ok {
		t.Label = moq.Label("here", s.rotationID(twin))
		return t
	}
	switch oneOf(s, strings.TrimSuffix(whose, ")"), "", "of nobody", "of nobody for subscribing",
		"of nobody without an end", "of there", "of another slot", "of a namesake") {
	case "of nobody":
		t.Label = ""
	case "of nobody for subscribing":
		t.Label, t.Operations = "", moq.Subscribe.Operations()
	case "of nobody without an end":
		t.Label, t.Expires = "", time.Time{}
	case "of there":
		t.Label = moq.Label("there", s.rotationID(name))
	}
	return t
}

// forgetLooks is what the worker does after a failure: all is looked at anew.
func (s *transcript) forgetLooks() {
	s.v.Seen.Inspections, s.v.Seen.Proved = nil, 0
	s.v.Seen.Reserving, s.v.Seen.Reserved = false, false
	for i := range s.v.Sightings {
		s.v.Sightings[i].Value.Checked = 0
	}
}

// never is a next look at the targets that no transcript lives to see.
func never() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }
