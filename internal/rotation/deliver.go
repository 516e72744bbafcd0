package rotation

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// delivery is the outcome of bringing a value to one target.
type delivery struct {
	target Target
	digest []byte
	held   time.Time // the sink acknowledged the write
	where  Step      // where it failed
	err    error
}

// deliver brings the value to required targets, side by side, and records who has
// it. Reading back begins when all are written, because consumers wait for the
// slowest write.
func (e *Engine) deliver(s *slot, targets []Target) {
	rec, rot, err := e.record(s)
	if err != nil {
		e.valueGone(s, rot, err)
		return
	}
	results := make([]delivery, len(targets))
	guard := e.resumed(s, rot)
	e.together(len(targets), func(i int) { results[i] = e.write(s, targets[i], rec, guard) })
	e.together(len(targets), func(i int) { e.readBack(s, rot, &results[i]) })
	e.delivered(s, rot, results)
}

// resumed tells whether an in_place value comes from the journal alone: if that
// was restored from a backup, a newer value may be served by now. (Of an overlap
// value the relay's list tells.)
func (e *Engine) resumed(s *slot, rot *Rotation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return rot.Strategy == moq.InPlace && rot.Verify && s.seen().confirmed == 0
}

// overtaken looks, before an old in_place value is delivered, whether the target
// holds something that the journal does not know, and gives what it holds.
func (e *Engine) overtaken(s *slot, sink sinks.Sink, t Target, content secret.Value) (sinks.Holding, error) {
	h, err := sink.Read(e.reaching(s, t), t.Target)
	if err != nil || !h.Exists {
		return h, err
	}
	s.mu.Lock()
	rc := s.rec.Receipts.At(t.Location)
	s.mu.Unlock()
	held := e.digest(s, h.Content)
	if bytes.Equal(held, rc.Digest) || bytes.Equal(held, e.digest(s, content)) {
		return h, nil
	}
	return h, fault.Newf(fault.Permanent, fault.Lost, "deliver to", t.Sink+" "+t.Target,
		"the target holds a value that the journal does not know, perhaps a newer one").
		WithHint("was the journal restored from a backup? the slot rotates anew")
}

// write brings the value to one target.
func (e *Engine) write(s *slot, t Target, rec sinks.Record, guard bool) delivery {
	d := delivery{target: t, where: StepDeliver}
	sink, err := e.sink(t)
	if err != nil {
		d.err = err
		return d
	}
	content, err := sink.Render(rec)
	if err != nil {
		d.err = err
		return d
	}
	var seen sinks.Holding
	if guard {
		if seen, d.err = e.overtaken(s, sink, t, content); d.err != nil {
			return d
		}
	}
	if d.err = e.claim(s, sink, t, writing, seen); d.err != nil {
		return d
	}
	o := sinks.WriteOptions{RotationID: rec.RotationID, Ours: e.ours(s, t)}
	d.digest = e.digest(s, content)
	if d.err = sink.Write(e.reaching(s, t), t.Target, content, o); d.err == nil {
		d.held = e.now()
		_ = e.claim(s, sink, t, holding, sinks.Holding{}) // the write may have made its folder
	}
	return d
}

// readBack makes sure that a target holds what was written there.
func (e *Engine) readBack(s *slot, rot *Rotation, d *delivery) {
	if d.err != nil || !rot.Verify {
		return
	}
	d.where = StepVerify
	d.err = e.mustHold(s, d.target, d.digest)
}

func (e *Engine) mustHold(s *slot, t Target, want []byte) error {
	sink, err := e.sink(t)
	if err != nil {
		return err
	}
	h, err := sink.Read(e.reaching(s, t), t.Target)
	if err != nil {
		return err
	}
	if !h.Exists || !bytes.Equal(e.digest(s, h.Content), want) {
		return fault.Newf(fault.Retry, fault.Mismatch, "read back", t.Sink+" "+t.Target,
			"the target does not hold what was just written").WithHint("is there another writer?")
	}
	return nil
}

// delivered records a round of required deliveries. Whatever the round leaves
// open is seen by the next decision.
func (e *Engine) delivered(s *slot, rot *Rotation, results []delivery) {
	var errs []error
	var where Step
	s.mu.Lock()
	for _, d := range results {
		if d.err != nil {
			errs, where = append(errs, d.err), d.where
		}
		e.noteDelivery(s, rot.ID, d)
	}
	lost := slices.IndexFunc(errs, func(err error) bool { return fault.Of(err).Reason == fault.Lost })
	s.mu.Unlock()
	switch {
	case lost >= 0:
		e.valueGone(s, rot, errs[lost])
	case len(errs) > 0:
		e.failed(s, where, joined(errs)) // saves the receipts too
	}
}

// noteDelivery puts one outcome into the record; s.mu is held.
func (e *Engine) noteDelivery(s *slot, rotationID string, d delivery) {
	loc := d.target.Location
	if d.err != nil {
		s.seen().errs.set(loc, d.err)
		if d.digest != nil { // else nothing was begun, and what was before still counts
			s.seen().begun.set(loc, d.digest)
		}
		return
	}
	if s.rec.Receipts.At(loc).RotationID > rotationID {
		return // a newer value went there meanwhile
	}
	s.rec.acknowledge(d.target, rotationID, d.digest, d.held)
	o := s.seen()
	o.errs.remove(loc)
	o.begun.remove(loc)
	o.drift.remove(loc)
	o.looks.remove(loc)
	if s.sights.index(loc) >= 0 {
		s.sights.edit(loc).checked = 0
	}
}

// conclude makes the value the served one: every required target holds it.
func (e *Engine) conclude(s *slot) {
	s.mu.Lock()
	now := e.now()
	s.rec.verified(now, e.Clock.Elapsed())
	rot, held := s.rec.Rotation, s.rec.held()
	if len(e.view(s).missing(rot, false)) == 0 {
		s.rec.drop()
		s.seen().value = heldValue{}
	}
	ev := e.event(s, Rotated)
	ev.Took = now.Sub(rot.Started.Time())
	s.mu.Unlock()
	_ = e.save(s, ev)
	e.rotated(s, rot, ev, held)
}

// rotated tells everybody of a verified rotation.
func (e *Engine) rotated(s *slot, rot *Rotation, ev Event, held Moment) {
	if plan := s.currentPlan(); plan != nil {
		e.Observer.RotationDone(plan, rot.Strategy, ResultSuccess, ev.Took)
	}
	if rot.Strategy == moq.InPlace {
		e.Observer.BlackoutEnded(time.Duration(max(0, held-rot.Started)))
	}
	fields := []zap.Field{
		zap.String("rotation", rot.ID), zap.String("cause", string(rot.Cause)),
		zap.String("strategy", string(rot.Strategy)), zap.Duration("took", ev.Took),
	}
	if rot.Strategy == moq.Overlap { // an in_place value has no id and no expiry of its own
		fields = append(fields, zap.String("token_id", ev.TokenID), zap.Time("expires", rot.Token.Expires.Time()))
	}
	e.log(s).Info("rotated", fields...)
}

// held is when the last required target acknowledged the latest value.
func (r *Record) held() (at Moment) {
	for _, t := range r.Rotation.Targets {
		if rc := r.Receipts.At(t.Location); t.Required && rc.RotationID == r.Rotation.ID {
			at = max(at, rc.At)
		}
	}
	return at
}

// drop forgets the value: every target holds it.
func (e *Engine) drop(s *slot) {
	s.mu.Lock()
	s.seen().value = heldValue{}
	s.mu.Unlock()
	e.amend(s, (*Record).drop)
}

// trail brings the value to optional targets without holding the slot up.
func (e *Engine) trail(s *slot, targets []Target) {
	s.mu.Lock()
	for _, t := range targets {
		s.seen().trailing.set(t.Location, true)
	}
	s.mu.Unlock()
	for _, t := range targets {
		e.spawn(func() { e.trailTo(s, t) })
	}
}

func (e *Engine) trailTo(s *slot, t Target) {
	rec, rot, err := e.record(s)
	if err == nil {
		err = e.accepted(s, rot, t)
	}
	d := delivery{target: t, err: err}
	if err == nil {
		d = e.write(s, t, rec, e.resumed(s, rot))
		e.readBack(s, rot, &d)
	}
	e.trailed(s, rot, d)
	e.awaits(s, sakesOf(d.err))
	e.wake(s)
}

// trailed records one delivery to an optional target, and when a failed one is tried
// again: one that a newer rotation has overtaken, as soon as that allows.
func (e *Engine) trailed(s *slot, rot *Rotation, d delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, loc := s.seen(), d.target.Location
	o.trailing.remove(loc)
	if errors.Is(d.err, errOvertaken) {
		return
	}
	e.noteDelivery(s, rot.ID, d)
	if d.err == nil {
		o.trails = 0
		return
	}
	o.trails++
	next := e.now().Add(routine.delay(int(o.trails), askedWait(d.err, routine.longest)))
	o.trailNext.set(loc, deferral{MomentOf(next), sakesOf(d.err)})
	e.Log.Warn("optional delivery failed", zap.String("slot", s.name()), zap.String("sink", d.target.Sink),
		zap.String("target", d.target.Target), zap.Error(d.err))
}

// accepted makes sure that a value from before is still worth delivering: that no
// in_place rotation ends it just now, or that the target answers and then that
// Cloudflare still lists the token.
func (e *Engine) accepted(s *slot, rot *Rotation, t Target) error {
	s.mu.Lock()
	sure := rot.Strategy != moq.Overlap || within(s.seen().confirmed.Time(), e.now(), confirmFor)
	ended := rot.Strategy == moq.InPlace && s.rec.Attempt != nil
	p := s.priority()
	s.mu.Unlock()
	switch {
	case ended:
		return errOvertaken
	case sure:
		return nil
	}
	if l := e.lookAt(s, t, reads, true); l.err != nil {
		return l.err
	}
	if err := e.confirm(e.work, s, p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen().gone == rot.ID {
		return errGone(rot)
	}
	return nil
}

func errGone(rot *Rotation) error {
	return fault.Newf(fault.Permanent, fault.Lost, "deliver", "token "+rot.Token.ID,
		"Cloudflare does not list the token any more")
}

// record gathers what a delivery writes, opening the sealed value if this
// process did not mint it.
func (e *Engine) record(s *slot) (sinks.Record, *Rotation, error) {
	s.mu.Lock()
	rot, held := s.rec.Rotation, s.seen().value
	s.mu.Unlock()
	if held.rotationID != rot.ID {
		v, err := e.Sealer.Open(rot.Sealed)
		if err != nil {
			return sinks.Record{}, rot, fault.Newf(fault.Permanent, fault.Lost, "open the sealed value of", "rotation "+rot.ID, "%w", err).
				WithHint("was the identity file replaced? the slot rotates anew")
		}
		held = heldValue{rot.ID, v}
		s.mu.Lock()
		s.seen().value = held
		s.mu.Unlock()
	}
	return recordOf(s.rec.Key, rot, held.value), rot, nil
}

func recordOf(k moq.Key, rot *Rotation, v secret.Value) sinks.Record {
	return sinks.Record{
		Names: namesOf(k, rot.Names),
		Token: v, TokenID: rot.Token.ID, RotationID: rot.ID,
		RotatedAt: rot.MintedAt.Time().Truncate(time.Second), ExpiresAt: rot.Token.Expires.Time(),
	}
}

func namesOf(k moq.Key, n Names) sinks.Names {
	return sinks.Names{
		Relay: n.Relay, RelayID: k.RelayID, Type: string(k.Type),
		Account: n.Account, AccountID: k.AccountID, Instance: n.Instance,
	}
}

// valueGone gives up a value that cannot be delivered any more: the slot rotates anew.
func (e *Engine) valueGone(s *slot, rot *Rotation, err error) {
	s.mu.Lock()
	s.seen().gone = rot.ID
	s.mu.Unlock()
	e.failed(s, StepDeliver, err)
	s.mu.Lock()
	s.rec.Failure.Next = e.now() // there is nothing to wait for
	s.mu.Unlock()
}

// list sees what the relay accepts, and with it whether a pending token still lives.
func (e *Engine) list(s *slot, st step) {
	err := e.inTurn(s, func(ctx context.Context, p moq.Priority) error { return e.confirm(ctx, s, p) })
	if err != nil {
		e.failed(s, st.where, err)
		return
	}
	s.mu.Lock()
	rot := s.rec.Rotation
	gone := st.where == StepDeliver && s.seen().gone == rot.ID
	s.mu.Unlock()
	if gone {
		e.valueGone(s, rot, errGone(rot))
	}
}

// confirm lists the relay's tokens and looks for the latest rotation's among them.
func (e *Engine) confirm(ctx context.Context, s *slot, p moq.Priority) error {
	cf, err := e.account(s)
	if err != nil {
		return err
	}
	tokens, err := cf.List(ctx, p, s.rec.Key.RelayID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, o := e.now(), s.seen()
	o.listing, o.swept = &listing{now, tokens}, MomentOf(now)
	rot := s.rec.Rotation
	if rot == nil || rot.Token == nil || rot.Token.ID == "" {
		return nil
	}
	if o.listing.has(rot.Token.ID) {
		o.confirmed = MomentOf(now)
	} else if s.rec.unfinished() || slices.ContainsFunc(rot.Targets, func(t Target) bool { return !t.Required }) {
		o.gone = rot.ID
	}
	return nil
}
