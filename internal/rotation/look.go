package rotation

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// digest is a keyed digest of what a target holds: equal contents of one slot
// have equal digests, and nothing can be learned from one without the key.
func (e *Engine) digest(s *slot, content secret.Value) []byte {
	h := hmac.New(sha256.New, e.digestKey)
	_, _ = h.Write([]byte(s.rec.Key.String() + "\x00" + content.Reveal()))
	return h.Sum(nil)
}

// look sees what targets hold, side by side, and notes what differs from what
// was delivered there. Optional ones are looked at on the side, waiting for none.
func (e *Engine) look(s *slot, st step) {
	read := e.readsBack(s)
	for _, t := range st.targets {
		if !t.Required {
			e.glance(s, t, st.depth, read)
		}
	}
	targets := required(st.targets)
	looks := make([]look, len(targets))
	e.together(len(looks), func(i int) { looks[i] = e.lookAt(s, targets[i], st.depth, read) })

	if e.noteLooks(s, targets, looks, st.depth) && e.unseen.Add(-1) == 0 && e.claims.any() {
		e.WakeAll() // some may wait for it; while this one runs, so that nobody takes all for done
	}
}

// noteLooks keeps looks at required targets. Only looks at all of them count as having looked at the
// slot; first: others may have waited for that.
func (e *Engine) noteLooks(s *slot, targets []Target, looks []look, d depth) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range targets {
		e.noteLook(s, t, looks[i])
	}
	if d < probes || s.plan == nil || len(targets) < len(required(s.plan.Targets)) {
		return false
	}
	first = s.watched == awaited
	s.watched = looked
	if !s.rec.unfinished() && s.rec.Attempt == nil { // else drift is not noted
		s.watchNext = MomentOf(e.now().Add(s.plan.watchEvery()))
	}
	return first
}

func (e *Engine) readsBack(s *slot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.view(s).verifies()
}

// glance looks at an optional target on the side, once at a time. What is
// delivered there meanwhile makes the look worthless.
func (e *Engine) glance(s *slot, t Target, depth depth, read bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen().glancing.at(t.Location) {
		return
	}
	s.seen().glancing.set(t.Location, true)
	before := s.rec.Receipts.At(t.Location).RotationID
	e.spawn(func() {
		l := e.lookAt(s, t, depth, read)
		if l.err != nil && depth >= tries {
			e.log(s).Warn("an optional target is not fit for the token that comes", zap.String("sink", t.Sink),
				zap.String("target", t.Target), zap.Error(l.err))
		}
		e.glanced(s, t, before, l)
		e.calm(s) // a slot that rests already need not keep the look
	})
}

func (e *Engine) glanced(s *slot, t Target, before string, l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen().glancing.remove(t.Location)
	if s.rec.Receipts.At(t.Location).RotationID == before && !s.seen().trailing.at(t.Location) {
		e.noteLook(s, t, l)
	}
}

// lookAt turns a bug into a failed look: it runs beside the slot's pass, too.
func (e *Engine) lookAt(s *slot, t Target, depth depth, read bool) (l look) {
	err := sinks.Guard("look at", t.Sink+" "+t.Target, func() error {
		l = e.found(s, t, depth, read)
		return nil
	})
	if err != nil {
		return look{at: e.now(), depth: depth, err: err}
	}
	return l
}

// found is what a look at a target finds.
func (e *Engine) found(s *slot, t Target, depth depth, read bool) look {
	sink, err := e.sink(t)
	if err != nil {
		return look{at: e.now(), depth: depth, err: err}
	}
	var h sinks.Holding
	if depth >= probes {
		if h, err = e.probe(s, sink, t, depth, read); err == nil {
			err = e.claim(s, sink, t, depth.claimant(), h)
		}
	} else {
		h, err = sink.Read(e.reaching(s, t), t.Target)
	}
	l := look{at: e.now(), depth: depth, err: err, known: err == nil && h.Known, exists: h.Exists}
	if l.known && h.Exists {
		l.digest, l.ids = e.digest(s, h.Content), idsIn(h.Content)
	}
	return l
}

// probe finds out whether a target can be written. What works and may not be what is
// meant is told when a mint follows, so once a rotation.
func (e *Engine) probe(s *slot, sink sinks.Sink, t Target, depth depth, read bool) (sinks.Holding, error) {
	o := sinks.ProbeOptions{Read: read, Ours: e.ours(s, t)}
	if depth < tries {
		return sink.Probe(e.reaching(s, t), t.Target, o)
	}
	record, guessed, err := e.trial(s)
	if err != nil {
		return sinks.Holding{}, err
	}
	content, err := sink.Render(record)
	if err != nil {
		return sinks.Holding{}, err
	}
	o.Trial, o.Guessed = content, guessed
	h, err := sink.Probe(e.reaching(s, t), t.Target, o)
	for _, w := range h.Warnings {
		e.log(s).Warn(w, zap.String("sink", t.Sink), zap.String("target", t.Target))
	}
	return h, err
}

// ours recognises what was last delivered to a target, or was perhaps.
func (e *Engine) ours(s *slot, t Target) func(secret.Value) bool {
	return func(content secret.Value) bool {
		s.mu.Lock()
		rc, begun := s.rec.Receipts.At(t.Location), s.seen().begun.at(t.Location)
		s.mu.Unlock()
		digest := e.digest(s, content)
		return rc.shows(digest) || hmac.Equal(begun, digest)
	}
}

// noteLook keeps a look, refuses a target that is somebody else's, and reports drift; s.mu is held.
func (e *Engine) noteLook(s *slot, t Target, l look) {
	if l.err == nil && !t.Adopt && s.foreign(t, l) {
		l.err = errForeign(t)
	}
	if rc := s.rec.Receipts.At(t.Location); hmac.Equal(rc.Digest, l.digest) {
		l.digest = rc.Digest // one copy will do
	}
	o := s.seen()
	o.looks.set(t.Location, l)
	s.sights.edit(t.Location).checked = MomentOf(l.at)
	o.errs.remove(t.Location)
	if l.err != nil {
		o.errs.set(t.Location, l.err)
	}
	if s.rec.unfinished() || s.rec.Attempt != nil || l.err != nil || !l.known {
		return
	}
	e.noteDrift(s, t, driftOf(s.rec.Receipts.At(t.Location), l))
}

func (e *Engine) noteDrift(s *slot, t Target, kind driftKind) {
	drift := &s.seen().drift
	before := drift.at(t.Location)
	if kind == "" {
		drift.remove(t.Location)
		return
	}
	drift.set(t.Location, kind)
	if before == kind {
		return
	}
	e.Observer.Drifted(t.Sink)
	e.Log.Warn("a target is not as it was delivered", zap.String("slot", s.name()), zap.String("sink", t.Sink),
		zap.String("target", t.Target), zap.String("drift", string(kind)), zap.Bool("required", t.Required))
}

// foreign tells whether a target holds something rotatord did not write there:
// no delivery to the place is known, and the content is none of the slot's. s.mu is held.
func (s *slot) foreign(t Target, l look) bool {
	if !l.exists || !l.known {
		return false
	}
	if s.rec.Receipts.index(t.Location) >= 0 {
		return false
	}
	for _, rc := range s.rec.Receipts {
		if hmac.Equal(rc.Digest, l.digest) {
			return false
		}
	}
	return true
}

func errForeign(t Target) error {
	return fault.Newf(fault.Permanent, fault.Foreign, "deliver to", t.Sink+" "+t.Target,
		"the target already holds something rotatord did not write").
		WithHint("look at it, then move it away, or set `existing: adopt` on sink %s to take it over", t.Sink)
}

func (e *Engine) sink(t Target) (sinks.Sink, error) {
	if sink, ok := e.ports.Load().sinks.Sink(t.Sink); ok {
		return heardSink{sink, e, t.Sink}, nil
	}
	return nil, fault.Newf(fault.Permanent, fault.Invalid, "reach sink", t.Sink, "no sink of this name is configured any more")
}

// watchEvery is how often the targets are compared with what was delivered.
func (p *Plan) watchEvery() time.Duration {
	if p == nil || p.ProbeInterval == 0 {
		return time.Hour
	}
	return p.ProbeInterval
}
