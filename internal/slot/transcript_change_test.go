package slot

import (
	"cmp"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// changeForms are the changes that a record goes through, and what the worker notes with each.
func (s *transcript) changeForms() []form {
	r := s.v.Record
	return []form{
		{"intends NAME", func(c *clause) { s.intend(c.words[0]) }},
		{"minted NAME", func(c *clause) { s.mint(c) }},
		{"the mint is refused", func(*clause) { s.refuse() }},
		{"the answer is lost", func(*clause) { s.loseAnswer() }},
		{"NAME acknowledges NAME late", func(c *clause) {
			r.Acknowledge(s.target(c.words[0]), s.rotationID(c.words[1]), []byte(c.words[1]), s.v.Now)
		}},
		{"the full relay refuses it", func(c *clause) { s.refuseForPlace(c) }},
		{"acknowledged by NAME", func(c *clause) { s.acknowledge(c.list(0)) }},
		{"concluded", func(*clause) { s.conclude() }},
		{"rotated NAME", func(c *clause) { s.rotate(c) }},
		{"carried out", func(*clause) { s.mustCarryOut() }},
		{"settled", func(*clause) { s.settle() }},
		{"failed in NAME", func(c *clause) { s.fail(c) }},
		{"the slot is seen for the first time", func(*clause) { *r = NewRecord(s.v.Plan, &s.v.Times) }},
		{"its schedule is noted", func(*clause) { r.NoteSchedule(s.v.Plan) }},
		{"NAME asks for a rotation", func(c *clause) { r.AskForRotation(Request{At: s.v.Now, By: c.words[0]}) }},
		{"NAME asks for a compromised rotation", func(c *clause) {
			r.AskForRotation(Request{At: s.v.Now, By: c.words[0], Compromised: true})
		}},
	}
}

// intend notes the intent of the mint that is due; where none is, somebody asked.
func (s *transcript) intend(name string) {
	a := s.v.NewRotation(s.due(), s.instance)
	if before := s.v.Record.PendingMint; before != nil {
		a = *before
	}
	a.ID = s.rotationID(name)
	if a.LostAt.IsZero() {
		a.Started, a.Clock = TimestampOf(s.v.Now), s.v.Clock
	}
	if a.ID <= s.v.Record.LatestID() {
		s.fatalf("a rotation after %s is not called %s", nameOf(s.v.Record.LatestID()), name)
	}
	s.v.Record.Intend(a)
	s.v.Seen.Reserving, s.v.Seen.Reserved = false, false
}

func (s *transcript) due() Due {
	if m, ok := s.last.(Mint); ok {
		return m.Due
	}
	if s.v.isDue() {
		return s.v.nextDue()
	}
	return s.v.dueAt(CauseRequested, s.v.Now)
}

// mint is a mint that goes well: intended just now, if it was not before.
func (s *transcript) mint(c *clause) {
	if a := s.v.Record.PendingMint; a == nil || a.ID != s.rotationID(c.words[0]) {
		s.intend(c.words[0])
	}
	a := s.v.Record.PendingMint
	t := Token{RotationID: a.ID, Created: TimestampOf(s.v.Now), Expires: a.Expires, Clock: s.v.Clock, ValueSize: 300}
	if a.Strategy == moq.Overlap {
		t.ID, t.Expires = c.words[0], cmp.Or(a.Expires, TimestampOf(s.v.Now.Add(longestLife)))
	}
	a.MintedClock = s.v.Clock
	sealed, contradicted := []byte("sealed "+c.words[0]), []string(nil)
	c.each(
		form{"expires TIME", func(c *clause) { t.Expires = c.timestamp(0) }},
		form{"created TIME", func(c *clause) { t.Created = c.timestamp(0) }},
		form{"not sealed", func(*clause) { sealed = nil }},
		form{"claims another id", func(*clause) { contradicted = []string{"jti"} }},
		form{"claims another relay", func(*clause) { contradicted = []string{"sub"} }},
	)
	if s.refuses(a, &t, contradicted) {
		return
	}
	s.v.Record.CompleteMint(t, sealed, s.v.Now)
	o := s.v.Seen
	o.NotGoneAt, o.RelayFull, o.NextRoom, o.Listing, o.NextOptional = TimestampOf(s.v.Now), false, 0, nil, nil
	o.Minted = a.ID
}

// refuses judges a fresh token, as the worker does.
func (s *transcript) refuses(a *Rotation, t *Token, contradicted []string) bool {
	if s.v.Record.ReadClaims(a, contradicted) {
		s.print("ambiguous: the value claims another id")
		s.loseAnswer()
		return true
	}
	if err := s.v.CheckMinted(a, t); err != nil {
		s.print("refused: %v", err)
		s.v.Record.RefuseMint(t, s.v.Now)
		s.v.Seen.Listing = nil
		return true
	}
	return false
}

// refuse forgets an attempt that was certainly not carried out, unless an earlier call of it may have been.
func (s *transcript) refuse() {
	if s.v.Record.PendingMint.LostAt.IsZero() {
		s.v.Record.AbandonMint()
	}
}

// refuseForPlace is a mint that the full relay refused; it is tried again a minute later, if nothing else is said.
func (s *transcript) refuseForPlace(c *clause) {
	next := s.v.Now.Add(time.Minute)
	c.each(form{"next attempt at TIME", func(c *clause) { next = c.time(0) }})
	s.refuse()
	o := s.v.Seen
	o.RelayFull, o.NextRoom, o.RelayHolders = true, 0, ""
	if o.Listing != nil {
		o.RelayHolders = "those listed"
	}
	until, waits := s.v.RoomWait(next)
	if !waits {
		s.print("it failed")
		return
	}
	o.NextRoom = TimestampOf(until)
	if !s.v.Record.Unfinished() {
		s.v.Record.EndFailure()
	}
}

func (s *transcript) loseAnswer() {
	s.v.Record.LoseMint(s.v.Now, s.v.Clock, false)
	s.v.Seen.Listing = nil
}

func (s *transcript) acknowledge(sinks []string) {
	rot := s.v.Record.Rotation
	for _, sink := range sinks {
		t := s.target(sink)
		s.v.Record.Acknowledge(t, rot.ID, []byte(nameOf(rot.ID)), s.v.Now)
		before := s.v.Seen.NoteDelivered(t)
		s.tell(t, TargetHealth{}.ChangeFrom(before, DepthRead), TargetHealth{})
		s.v.Sightings.Edit(t.Location).Checked = 0
		s.v.Seen.DeliveringOptional.Remove(t.Location)
	}
}

// rotate is a whole rotation that goes well, in no time.
func (s *transcript) rotate(c *clause) {
	s.mint(c)
	for _, t := range s.v.Record.Rotation.Targets {
		s.acknowledge([]string{t.Sink})
	}
	s.conclude()
	s.v.Record.DropValue(s.v.Plan)
}

// giveUpValue gives the value up, and counts that as a failure.
func (s *transcript) giveUpValue() {
	s.v.Record.GiveUpValue()
	s.v.Record.AddFailedAttempt(FailedAttempt{At: s.v.Now, Next: s.v.Now, Stage: StageDeliver, Reason: string(fault.Lost)})
	s.forgetLooks()
}

func (s *transcript) conclude() {
	s.v.Record.DropLeftTargets(s.v.Plan)
	s.v.Record.Conclude(s.v.Now, s.v.Clock)
}

// mustCarryOut carries out the last action.
func (s *transcript) mustCarryOut() {
	if !s.carryOut() {
		s.fatalf("what comes of %q depends on others: say it", s.actionText(s.last))
	}
}

// settle decides, and carries the action out, as long as what comes of it depends on nobody else.
func (s *transcript) settle() {
	for range 20 {
		if s.askForAction(); !s.carryOut() {
			return
		}
	}
	s.fatalf("the slot finds no rest")
}

// carryOut is what becomes of the record by the last action, when it goes well, if that can be said.
func (s *transcript) carryOut() bool {
	r := s.v.Record
	switch a := s.last.(type) {
	case Redirect:
		r.Redirect(a.Targets, a.Found)
	case GiveUp:
		s.giveUpValue()
	case Conclude:
		s.conclude()
	case Drop:
		r.DropValue(s.v.Plan)
	case BeginGrace:
		r.BeginGrace(a.Token)
	case Revoke:
		r.ForgetToken(a.Token.ID)
		s.v.Seen.Listing = s.v.Seen.Listing.Without(a.Token.ID)
	case RevokeOrphan:
		r.NoteOrphanTurnedUp(a.Orphan.Label, s.v.Now, s.v.Clock)
		s.v.Seen.Listing = s.v.Seen.Listing.Without(a.Token.ID)
	case AdoptOrphan:
		r.AdoptOrphan(a.Orphan, moq.Token{ID: a.Token.ID, Created: a.Token.Created.Time(), Expires: a.Token.Expires.Time()}, s.v.Now, s.v.Clock)
	case EndFailure:
		r.EndFailure()
	case TakeBack:
		r.TakeBack(a.Bounds)
	case DateFirstSight:
		r.DateFirstSight(a.At)
		r.NoteSchedule(s.v.Plan)
	case AdoptSchedule:
		r.AdoptSchedule(s.v.Plan, TimestampOf(s.v.Now))
		r.NoteSchedule(s.v.Plan)
	case ForgetOrphan:
		r.ForgetOrphan(a.Orphan.Label)
	default:
		return false
	}
	return true
}

// fail is an attempt that failed; one of a retirement holds up retirements alone.
func (s *transcript) fail(c *clause) {
	f := FailedAttempt{At: s.v.Now, Next: s.v.Now, Stage: oneOf(s, c.words[0], Stages()...), Reason: "unreachable"}
	c.each(
		form{"next attempt at TIME", func(c *clause) { f.Next = c.time(0) }},
		form{"reason NAME", func(c *clause) { f.Reason = c.words[0] }},
		form{"permanent", func(*clause) { f.Permanent = true }},
		form{"of NAME", func(c *clause) { f.Locations = append(f.Locations, s.target(c.words[0]).Location) }},
		form{"at sink NAME", func(c *clause) { f.Sink = c.words[0] }},
	)
	s.forgetLooks()
	if f.Stage == StageRetire {
		s.v.Seen.NextRetirement, s.v.Seen.NotRevoked, s.v.Seen.TargetFailed = TimestampOf(f.Next), "403: not allowed", len(f.Locations) > 0
		if !s.v.Seen.TargetFailed {
			s.v.Seen.NextReclaim = TimestampOf(f.Next)
		}
		return
	}
	s.v.Record.AddFailedAttempt(f)
}

// restart ends the process and begins another: only the record is left, and is loaded.
func (s *transcript) restart() {
	s.loaded = true
	s.v.Seen, s.v.Sightings = &Observation{}, nil
	s.v.NextCheck, s.v.Inspected, s.v.OthersAwaitedFor, s.v.JournalDown = TimestampOf(never()), false, 0, false
	s.v.Start, s.v.ActiveSince = s.v.Clock, s.v.Now
	if s.v.Record.PendingMint != nil {
		s.v.Record.LoseMint(s.v.Now, s.v.Clock, true)
	}
}

// takeOver begins a term on another machine, which has been up for long.
func (s *transcript) takeOver() {
	s.v.Clock = Reading{s.v.Clock.Boot + " of another term", 900 * time.Hour, s.v.Clock.Cloudflare}
	s.restart()
	s.v.TakenOver, s.v.ClockAgrees = true, false
	s.v.Record.TakeOver(s.v.Now, s.v.Clock)
}

// moveTo has time pass until a time, on both clocks.
func (s *transcript) moveTo(t time.Time) {
	if s.v.Now.IsZero() {
		s.v.Now, s.v.Record.FirstSeen = t, TimestampOf(t)
		s.tellTheirs(t)
		s.restart()
		return
	}
	if t.Before(s.v.Now) {
		s.fatalf("time does not go back: the wall clock may be set")
	}
	d := t.Sub(s.v.Now)
	s.v.Clock.Elapsed += d
	s.v.Now = t
	if s.theirsIsOld {
		s.v.Cloudflare.SampleAge += d
	}
	if s.v.knowsCloudflare() {
		s.tellTheirs(s.v.Cloudflare.Now.Add(d))
	}
}

// tellTheirs has it be known what time it is at Cloudflare; zero: it is not.
func (s *transcript) tellTheirs(t time.Time) {
	s.v.Cloudflare.Now, s.v.Clock.Cloudflare = t, TimestampOf(t)
}

// sampled has Cloudflare's last sample be so old; at zero there is one at every moment.
func (s *transcript) sampled(age time.Duration) {
	s.v.Cloudflare.SampleAge, s.theirsIsOld = age, age > 0
}
