package rotation

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// A sink or an account that is down fails many slots, and each waits out a backoff
// of its own. The first of them finds out that it is back; then the others need not
// wait any longer. Whose a failure is travels with the error.

// releaseGap is the least time between two releases of one slot.
const releaseGap = 10 * time.Second

// party is a sink, by its key, or an account, by its id. Where reading goes well,
// writing (for an account: minting) may still not: that is a party of its own.
type party struct {
	account bool
	name    string
	changes bool
}

func (p party) whole() party { return party{account: p.account, name: p.name} }

// sake says that an attempt failed on a party.
type sake struct {
	party
	down bool          // the party does not work at all: the next attempt waits for that to end
	at   time.Duration // of what shows it down, on the elapsed-time clock
}

// partyError is an error of calls, with those whom they were made to.
type partyError struct {
	error
	sakes []sake
}

// Unwrap gives errors.Is and errors.As the cause.
func (p *partyError) Unwrap() error { return p.error }

func sakesOf(err error) []sake {
	if p, ok := errors.AsType[*partyError](err); ok {
		return p.sakes
	}
	return nil
}

// sinkOf names the sink that a failure is of, rather one that is down; "" when it is of none.
func sinkOf(sakes []sake) (name string) {
	for _, k := range sakes {
		if !k.account && (name == "" || k.down) {
			name = k.name
		}
	}
	return name
}

// health is what the outcome of a call shows of the party.
type health uint8

const (
	unclear health = iota
	healthy        // it answers and takes our credentials, whatever it thinks of the call
	down
)

func healthShown(err error) health {
	if err == nil {
		return healthy
	}
	switch f := fault.Of(err); f.Reason {
	case fault.Unreachable, fault.Timeout, fault.ServerError, fault.RateLimited, fault.Unauthorized, fault.BadAnswer,
		fault.Setup:
		return down
	case fault.NotFound, fault.Forbidden, fault.Conflict, fault.Full:
		return healthy
	case fault.Storage: // a disk in trouble
		if f.Class == fault.Retry {
			return down
		}
	}
	return unclear
}

// blamed is the party that an error of a call to p is of: a write that was not let in says
// more than that nothing can be written.
func (p party) blamed(err error) party {
	if r := fault.Of(err).Reason; r == fault.Unreachable || r == fault.Unauthorized {
		return p.whole()
	}
	return p
}

// evidenceOf is since when an outcome says something: without an answer, since the call began.
func evidenceOf(err error, began, now time.Duration) time.Duration {
	if err == nil {
		return now
	}
	if r := fault.Of(err).Reason; r == fault.Timeout || r == fault.Unreachable {
		return began
	}
	return now
}

// outage is what is known of one party, and who waits for its sake.
type outage struct {
	mu      sync.Mutex
	waiting map[*slot]struct{}
	well    time.Duration // when it last answered as a healthy one
	tried   bool          // one slot was sent ahead since it was last down
	limited bool          // when last down, it was for having been asked too much
}

func (e *Engine) outage(p party) *outage {
	if o, ok := e.outages.Load(p); ok {
		return o.(*outage)
	}
	o, _ := e.outages.LoadOrStore(p, &outage{waiting: map[*slot]struct{}{}})
	return o.(*outage)
}

func (e *Engine) elapsed() time.Duration { return e.Clock.Elapsed().Elapsed }

// heard takes note of the outcome of a call that began at a time, and says in its
// error whose it is.
func (e *Engine) heard(p party, began time.Duration, err error) error {
	shown, at := healthShown(err), evidenceOf(err, began, e.elapsed())
	if shown == healthy {
		e.recovered(p.whole(), at)
		if p.changes {
			e.recovered(p, at)
		}
	}
	if err == nil {
		return nil
	}
	p = p.blamed(err)
	if shown == down {
		e.outage(p).fell(at, fault.Of(err).Reason == fault.RateLimited)
	}
	return &partyError{err, []sake{{p, shown == down, at}}}
}

// fell notes that the party was down at a time.
func (o *outage) fell(at time.Duration, limited bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at >= o.well {
		o.tried, o.limited = false, limited
	}
}

// recovered lets go of those who wait for a party that is seen to be healthy: one
// first, and all with the next such answer. One that limits its calls answers some of
// them well all the while: each such answer lets one go.
func (e *Engine) recovered(p party, at time.Duration) {
	o := e.outage(p)
	o.mu.Lock()
	o.well = max(o.well, at)
	all := o.tried && !o.limited
	o.tried = true
	freed, worthSaying := e.sendWaiting(o, p, all), !o.limited
	o.mu.Unlock()
	if freed > 0 && worthSaying {
		e.Log.Info("it answers again: slots that waited for it try at once", p.field(), zap.Int("slots", freed))
	}
}

// sendAhead lets one of those who wait for p try it now; when it goes well, the others follow.
func (e *Engine) sendAhead(p party) {
	o := e.outage(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tried = true
	e.sendWaiting(o, p, false)
}

// sendWaiting releases one slot, or all, that still wait for p; o.mu is held.
func (e *Engine) sendWaiting(o *outage, p party, all bool) (freed int) {
	for s := range o.waiting {
		delete(o.waiting, s)
		if !e.release(s, p) {
			continue
		}
		if freed++; !all {
			break
		}
	}
	return freed
}

func (p party) field() zap.Field {
	if p.account {
		return zap.String("account_id", p.name)
	}
	return zap.String("sink", p.name)
}

// awaits lets the slot be released when those are back for whose sake it waits.
// What is older than a healthy answer is nothing to wait for.
func (e *Engine) awaits(s *slot, sakes []sake) {
	for _, k := range sakes {
		if !k.down {
			continue
		}
		o := e.outage(k.party)
		o.mu.Lock()
		back := k.at < o.well
		if !back {
			o.waiting[s] = struct{}{}
		}
		o.mu.Unlock()
		if back {
			e.release(s, k.party)
		}
	}
}

// release has what a slot does not do for p's sake be tried at once, or as soon as
// the gap since its last release allows; false when nothing waits for p.
func (e *Engine) release(s *slot, p party) bool {
	s.mu.Lock()
	freed := s.release(e.now(), e.elapsed(), p)
	s.mu.Unlock()
	if freed {
		e.wake(s)
	}
	return freed
}

// release is Engine's; s.mu is held.
func (s *slot) release(now time.Time, clock time.Duration, p party) bool {
	o := s.seen()
	wait := time.Duration(0)
	if o.released > 0 {
		wait = max(0, o.released+releaseGap-clock)
	}
	forP := func(k sake) bool { return k.down && k.party == p }
	if !s.advance(now.Add(wait), func(sakes []sake) bool { return slices.ContainsFunc(sakes, forP) }) {
		return false
	}
	o.released = clock + wait
	return true
}

// advance moves up to at whatever waits for longer and is chosen by whose sake it
// waits for. What was seen of the targets is forgotten: it led to the wait. s.mu is held.
func (s *slot) advance(at time.Time, chosen func([]sake) bool) (moved bool) {
	if s.rec.Failure == nil && s.notes == nil {
		return false
	}
	o := s.seen()
	if f := s.rec.Failure; f != nil && f.Next.After(at) && chosen(o.sakes) {
		sooner := *f
		sooner.Next = at
		s.rec.Failure, moved = &sooner, true
	}
	if next := MomentOf(at); o.retireNext > next && chosen(o.retireSakes) {
		o.retireNext, o.sweepNext, moved = next, next, true
	}
	for i := range o.trailNext {
		if p := &o.trailNext[i].of; p.next.Time().After(at) && chosen(p.sakes) {
			p.next, moved = MomentOf(at), true
		}
	}
	if moved {
		s.unlook()
	}
	return moved
}

// resume makes slots whose failures are older than this process wait for those who
// may be to blame, and sends one ahead for each of these.
func (e *Engine) resume() {
	blamed := map[party]bool{}
	for _, s := range e.all() {
		s.mu.Lock()
		sakes := s.suspects()
		if len(sakes) > 0 {
			s.seen().sakes = sakes
		}
		s.mu.Unlock()
		e.awaits(s, sakes)
		for _, k := range sakes {
			blamed[k.party] = true
		}
	}
	for p := range blamed {
		e.sendAhead(p)
	}
}

// suspects are those for whose sake a slot may wait that the journal says is failing. s.mu is held.
func (s *slot) suspects() (out []sake) {
	f := s.rec.Failure
	if f == nil || healthShown(&fault.Error{Reason: fault.Reason(f.Reason)}) != down {
		return nil
	}
	if f.Sink != "" {
		return []sake{{party{name: f.Sink}, true, 0}}
	}
	out = []sake{{party{account: true, name: s.rec.Key.AccountID}, true, 0}}
	if s.plan == nil || f.Step == StepMint {
		return out
	}
	for _, t := range required(s.plan.Targets) {
		out = append(out, sake{party{name: t.Sink}, true, 0})
	}
	return out
}

// heardSink is a sink with the engine listening.
type heardSink struct {
	sinks.Sink
	e    *Engine
	name string
}

func (h heardSink) hear(began time.Duration, err error) error {
	return h.e.heard(party{name: h.name}, began, err)
}

func (h heardSink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	began := h.e.elapsed()
	held, err := h.Sink.Probe(ctx, target, o)
	return held, h.hear(began, err)
}

// Place shows no end of an outage: it may be known without a call.
func (h heardSink) Place(ctx context.Context, target string) (string, error) {
	began := h.e.elapsed()
	place, err := h.Sink.Place(ctx, target)
	if err != nil {
		err = h.hear(began, err)
	}
	return place, err
}

func (h heardSink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	began := h.e.elapsed()
	held, err := h.Sink.Read(ctx, target)
	return held, h.hear(began, err)
}

func (h heardSink) Write(ctx context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	began := h.e.elapsed()
	return h.e.heard(party{name: h.name, changes: true}, began, h.Sink.Write(ctx, target, content, o))
}

// heardAccount is an account with the engine listening.
type heardAccount struct {
	Cloudflare
	e  *Engine
	id string
}

func (h heardAccount) hear(began time.Duration, err error) error {
	return h.e.heard(party{account: true, name: h.id}, began, err)
}

func (h heardAccount) hearMint(began time.Duration, err error) error {
	return h.e.heard(party{account: true, name: h.id, changes: true}, began, err)
}

func (h heardAccount) Prove(ctx context.Context, p moq.Priority, relayID string) error {
	began := h.e.elapsed()
	err := h.Cloudflare.Prove(ctx, p, relayID)
	if err == nil {
		return nil // that may be an answer of before the outage, which shows no end of it
	}
	return h.hear(began, err)
}

func (h heardAccount) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	began := h.e.elapsed()
	made, err := h.Cloudflare.Create(ctx, p, relayID, t)
	return made, h.hearMint(began, err)
}

func (h heardAccount) List(ctx context.Context, p moq.Priority, relayID string) ([]moq.Token, error) {
	began := h.e.elapsed()
	listed, err := h.Cloudflare.List(ctx, p, relayID)
	return listed, h.hear(began, err)
}

func (h heardAccount) Revoke(ctx context.Context, p moq.Priority, relayID, tokenID string) error {
	began := h.e.elapsed()
	return h.hear(began, h.Cloudflare.Revoke(ctx, p, relayID, tokenID))
}

func (h heardAccount) Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error) {
	began := h.e.elapsed()
	value, err := h.Cloudflare.Rotate(ctx, p, relayID, t)
	return value, h.hearMint(began, err)
}
