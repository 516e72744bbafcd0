package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
)

const (
	// oneYear is the longest life of a token, and what Cloudflare gives when not asked.
	oneYear = 365 * 24 * time.Hour
	// nearYear is how much less is not asked for: by a clock that is fast it would be too much.
	nearYear = time.Hour
)

// heldValue is an unsealed value in memory, so that a delivery need not open it.
type heldValue struct {
	rotationID string
	value      secret.Value
}

// reserve asks for a place in the account's budget; the slot is woken when it is there.
func (e *Engine) reserve(s *slot) {
	cf, err := e.account(s)
	if err != nil {
		e.failed(s, StepPreflight, err)
		return
	}
	s.mu.Lock()
	s.seen().reserving = true
	s.ticket++
	ticket, p, strategy := s.ticket, s.priority(), s.strategy()
	s.mu.Unlock()

	cancel := cf.Reserve(p, func() {
		if strategy == moq.InPlace {
			cf.Warm(e.work) // else consumers would wait for the handshake
		}
		e.granted(s, ticket)
	})

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ticket == ticket {
		s.seen().cancel = cancel
	} else {
		cancel() // given up meanwhile
	}
}

// granted is called by the budget, perhaps while reserve still runs.
func (e *Engine) granted(s *slot, ticket int32) {
	s.mu.Lock()
	if s.ticket == ticket {
		o := s.seen()
		o.reserving, o.reserved = false, true
	}
	s.mu.Unlock()
	e.wake(s)
}

// unreserve gives the place back, if there is one; s.mu is held.
func (e *Engine) unreserve(s *slot) {
	s.ticket++
	o := s.notes
	if o == nil {
		return
	}
	if o.cancel != nil {
		o.cancel()
	}
	o.cancel, o.reserving, o.reserved = nil, false, false
}

// priority is the slot's place in the queue; s.mu is held.
func (s *slot) priority() moq.Priority {
	p := moq.Priority{Urgency: moq.Routine}
	if q := s.rec.Request; q != nil && q.Compromised {
		p.Urgency = moq.Compromised
	}
	if !s.rec.blackout().IsZero() {
		p.Urgency = moq.Blackout
	}
	if s.rec.Served != nil {
		p.Deadline = s.rec.Served.Expires.Time()
	}
	return p
}

// prove has the account show that calls reach it.
func (e *Engine) prove(s *slot) {
	cf, err := e.account(s)
	if err == nil {
		err = e.inTurn(s, func(ctx context.Context, p moq.Priority) error { return cf.Prove(ctx, p, s.rec.Key.RelayID) })
	}
	if err != nil {
		e.failed(s, StepPreflight, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen().proved = MomentOf(e.now())
}

// mint journals the intent, calls Cloudflare and journals the value.
func (e *Engine) mint(s *slot, d due) {
	cf, err := e.account(s)
	if err != nil {
		e.failed(s, StepMint, err)
		return
	}
	a, before := e.intend(s, d)
	if err := e.save(s); err != nil {
		e.takeBack(s, before, err)
		return
	}
	e.observeCall(a, before)
	s.mu.Lock()
	p, o := s.priority(), s.seen()
	p.Reserved, o.reserved, o.cancel = true, false, nil
	p.Proven = a.Strategy == moq.InPlace && a.LostAt.IsZero()
	s.mu.Unlock()

	if a.LostAt.IsZero() {
		a.Started = MomentOf(e.now()) // the first call of the rotation, without the journal's time
	}
	tok, err := e.call(cf, p, s.rec.Key, a)
	if err != nil {
		e.mintFailed(s, err)
		return
	}
	sealed, err := e.Sealer.Seal(tok.Value)
	if err != nil {
		e.log(s).Error("the value cannot be sealed: it is delivered from memory", zap.Error(err))
	}
	e.mintDone(s, a, tok, sealed)
}

// intend writes the attempt into the record; before is the attempt it replaces,
// nil for the first of a rotation.
func (e *Engine) intend(s *slot, d due) (a Rotation, before *Rotation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := e.now()
	before = s.rec.Attempt
	if before != nil {
		a = *before
	} else {
		a = e.attempt(s, d, now)
	}
	a.ID = moq.NewRotationID(now, s.rec.latestID())
	s.rec.intend(a)
	return a, before
}

// attempt fixes everything that a new rotation needs to finish; s.mu is held.
func (e *Engine) attempt(s *slot, d due, now time.Time) Rotation {
	p := s.plan
	a := Rotation{
		Phase: Intended, Strategy: p.Strategy, Cause: d.cause, Instant: MomentOf(d.instant), Started: MomentOf(now),
		Verify: p.Verify, Targets: p.Targets,
		Names: Names{Relay: p.Relay, Account: p.Account, Instance: e.Instance},
	}
	if d.cause == BySchedule {
		a.Due = MomentOf(d.at)
	}
	if d.cause == ByDrift {
		a.Period = MomentOf(e.view(s).period())
	}
	if s.rec.Request != nil {
		a.By = s.rec.Request.By
	}
	if p.Strategy == moq.Overlap {
		a.Grace, a.Regrace = p.Grace, len(s.seen().drift) > 0 || e.view(s).waiting()
		a.Existing = s.matching(p, e.Instance)
		if p.Lifetime < oneYear-nearYear {
			a.Expires = MomentOf(now.Add(p.Lifetime).Truncate(time.Second))
		}
	}
	return a
}

// matching are the listed tokens that retire: matching takes over: exactly the
// slot's operations, and no other installation's label. s.mu is held.
func (s *slot) matching(p *Plan, instance string) []Token {
	listing := s.seen().listing
	if !p.Matching || listing == nil {
		return nil
	}
	var out []Token
	for _, t := range listing.tokens {
		owner, labelled := moq.LabelInstance(t.Label)
		if t.Grants(s.rec.Key.Type) && (!labelled || owner == instance) && !s.owns(t) {
			out = append(out, Token{ID: t.ID, Created: MomentOf(t.Created), Expires: MomentOf(t.Expires), NotOurs: true})
		}
	}
	return out
}

// owns tells whether the record accounts for a listed token. s.mu is held.
func (s *slot) owns(t moq.Token) bool {
	r := &s.rec
	switch {
	case r.Served != nil && r.Served.ID == t.ID:
		return true
	case r.Rotation != nil && r.Rotation.Token != nil && r.Rotation.Token.ID == t.ID:
		return true
	case slices.ContainsFunc(r.Old, func(o Token) bool { return o.ID == t.ID }):
		return true
	case r.Attempt != nil && t.Label == moq.Label(r.Attempt.Names.Instance, r.Attempt.ID):
		return true // its answer is on its way
	}
	return slices.ContainsFunc(r.Lost, func(l LostMint) bool { return l.Label == t.Label })
}

// takeBack undoes an intent that could not be journalled: nothing was called.
func (e *Engine) takeBack(s *slot, before *Rotation, err error) {
	s.mu.Lock()
	s.rec.Attempt = before
	s.mu.Unlock()
	e.failed(s, StepMint, errStorage(err))
}

// observeCall measures the schedule lag, once a rotation.
func (e *Engine) observeCall(a Rotation, before *Rotation) {
	if before == nil && !a.Due.IsZero() {
		e.Observer.MintCalled(e.now().Sub(a.Due.Time()))
	}
}

func (e *Engine) call(cf Cloudflare, p moq.Priority, k moq.Key, a Rotation) (moq.Token, error) {
	if a.Strategy == moq.InPlace {
		v, err := cf.Rotate(e.work, p, k.RelayID, k.Type)
		return moq.Token{Value: v}, err
	}
	want := moq.NewToken{Type: k.Type, Expires: a.Expires.Time(), Label: moq.Label(e.Instance, a.ID)}
	return cf.Create(e.work, p, k.RelayID, want)
}

// mintFailed keeps what may have been carried out, and forgets what was not.
func (e *Engine) mintFailed(s *slot, err error) {
	f := fault.Of(err)
	s.mu.Lock()
	lost := f.Class == fault.Ambiguous
	switch {
	case lost:
		s.rec.lose(e.Instance, e.now(), e.Clock.Elapsed(), false)
		s.seen().listing = nil // it cannot show what was lost just now
	case s.rec.Attempt.LostAt.IsZero():
		s.rec.abandon()
	}
	if s.seen().full = f.Reason == fault.Full; s.seen().full {
		err = s.explainFull(err)
	}
	s.mu.Unlock()
	e.failed(s, StepMint, err)
}

// relayPlaces is how many tokens a relay holds at most.
const relayPlaces = 10

// explainFull names who holds the relay's places, as far as they were listed. s.mu is held.
func (s *slot) explainFull(err error) error {
	listing := s.seen().listing
	if listing == nil {
		return err
	}
	holders := make([]string, 0, relayPlaces)
	for _, t := range listing.tokens[:min(len(listing.tokens), relayPlaces)] {
		holders = append(holders, fmt.Sprintf("%s (%s, created %s, expires %s)", t.ID, ownerOf(t),
			t.Created.UTC().Format(time.DateOnly), t.Expires.UTC().Format(time.DateOnly)))
	}
	return fault.Newf(fault.Permanent, fault.Full, "", "", "%w; the places are held by %s", err, strings.Join(holders, ", ")).
		WithHint("revoke a token that nobody uses, or see `rotatord tokens prune`")
}

// ownerOf says who made a token, as far as its label tells.
func ownerOf(t moq.Token) string {
	if instance, ok := moq.LabelInstance(t.Label); ok {
		return "rotatord " + redact.Name(instance)
	}
	if t.Label == "" {
		return "no label"
	}
	return "label " + redact.Label(t.Label)
}

// mintDone journals the value before anything else is done with it. When that
// fails, delivery goes on from memory.
func (e *Engine) mintDone(s *slot, a Rotation, t moq.Token, sealed []byte) {
	now := e.now()
	tok := Token{
		ID: t.ID, RotationID: a.ID, Created: MomentOf(t.Created), Expires: MomentOf(t.Expires),
		ValueSize: len(t.Value.Reveal()),
	}
	if tok.Created.IsZero() {
		tok.Created = MomentOf(now.Truncate(time.Second))
	}
	if tok.Expires.IsZero() {
		tok.Expires = a.Expires
	}
	s.mu.Lock()
	s.rec.intend(a) // with the time of the call
	superseded := s.rec.minted(tok, sealed, now)
	o := s.seen()
	o.value, o.confirmed, o.full = heldValue{a.ID, t.Value}, MomentOf(now), false
	o.listing, o.trailNext = nil, nil
	var events []Event
	if superseded != nil {
		ev := e.event(s, Superseded)
		ev.RotationID, ev.TokenID, ev.Cause = superseded.ID, superseded.Token.ID, a.Cause
		events = append(events, ev)
	}
	s.mu.Unlock()
	_ = e.save(s, events...)
	if plan := s.currentPlan(); superseded != nil && plan != nil {
		e.Observer.RotationDone(plan, superseded.Strategy, ResultSuperseded, 0)
	}
	e.log(s).Info("token minted", zap.String("rotation", a.ID), zap.String("token_id", t.ID),
		zap.String("cause", string(a.Cause)), zap.String("strategy", string(a.Strategy)))
}

func (e *Engine) account(s *slot) (Cloudflare, error) {
	if cf, ok := e.ports.Load().accounts.Account(s.rec.Key.AccountID); ok {
		return heardAccount{cf, e, s.rec.Key.AccountID}, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.Invalid, "reach account", s.rec.Key.AccountID,
		"no account with this id is configured any more")
}

// event starts a history line about the slot as it is; s.mu is held.
func (e *Engine) event(s *slot, w What) Event {
	ev := Event{At: e.now().UTC(), Slot: s.name(), Key: s.rec.Key, What: w, Strategy: s.strategy()}
	if rot := s.rec.Rotation; rot != nil {
		ev.RotationID, ev.Cause, ev.By = rot.ID, rot.Cause, rot.By
		if rot.Token != nil {
			ev.TokenID = rot.Token.ID
		}
	}
	return ev
}
