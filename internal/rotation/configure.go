package rotation

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Load brings back what the journal knows. Call it once, before Configure puts
// plans into force: the records share their memory.
func (e *Engine) Load(ctx context.Context, plans []*Plan) error {
	w, planned := newWords(), make(map[moq.Key]*Plan, len(plans))
	for _, p := range plans {
		planned[p.Key] = p
	}
	return e.Journal.Load(ctx, func(r *Record) error {
		if r.Failure != nil {
			r.Failure.Message = fitMessage(r.Failure.Message)
		}
		w.share(r, planned[r.Key])
		r.disbelieve(planned[r.Key], e.now(), e.boot)
		s := e.add(*r)
		if s.rec.Attempt != nil {
			s.rec.lose(e.Instance, e.now(), e.boot, true) // a crash came in between: it may have been carried out
		}
		return nil
	})
}

// Configure puts a configuration into force: its plans, accounts and sinks.
// Slots without a plan mint nothing more, but finish what is under way; those
// of which nothing changed go on undisturbed, and wait on if they failed. It cannot
// fail: what can is done before.
func (e *Engine) Configure(plans []*Plan, accounts Accounts, sinks Sinks, sinkNames []string) {
	next := &ports{accounts: accounts, sinks: sinks, configured: make(map[string]bool, len(sinkNames))}
	for _, n := range sinkNames {
		next.configured[n] = true
	}
	before := e.ports.Swap(next)
	fresh, changed := e.assign(plans, before.kept(next))
	e.claims.forget()
	e.persistNew(fresh)
	if before.configured == nil {
		e.resume()
	}
	e.rouse(changed)
}

// rouse sees, on all processors if there are many, that each slot is looked at when
// it has something to do.
func (e *Engine) rouse(slots []*slot) {
	workers := min(runtime.GOMAXPROCS(0), 1+len(slots)/1000)
	e.together(workers, func(w int) {
		for i := w; i < len(slots); i += workers {
			if s := slots[i]; !e.calm(s) {
				e.Alarm.Set(&s.rec.Key, e.now())
			}
		}
	})
}

// kept tells which sinks and accounts next has from po, the very same.
func (po *ports) kept(next *ports) func(party) bool {
	same := make(map[string]bool, len(next.configured))
	for name := range next.configured {
		if po.configured[name] {
			a, _ := po.sinks.Sink(name)
			b, _ := next.sinks.Sink(name)
			same[name] = a == b
		}
	}
	return func(p party) bool {
		if !p.account {
			return same[p.name]
		}
		a, ok := po.accounts.Account(p.name)
		b, _ := next.accounts.Account(p.name)
		return ok && a == b
	}
}

// assign gives every slot its plan. It returns the slots seen for the first time,
// and all that have something new to look at.
func (e *Engine) assign(plans []*Plan, kept func(party) bool) (fresh, changed []*slot) {
	now := e.now()
	next := make(roster, 0, len(plans))
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range plans {
		s := e.slots[p.Key]
		if s == nil {
			s = e.add(Record{Key: p.Key, FirstSeen: MomentOf(now.Truncate(time.Second))})
			fresh = append(fresh, s)
		}
		if !s.undisturbed(p, kept) {
			s.replan(e, p, now.Add(spread(len(changed))), kept)
			changed = append(changed, s)
		}
		next = append(next, entry{s.currentPlan(), s})
	}
	next.sort()
	if len(next) < len(e.slots) {
		changed = append(changed, e.unplan(next, now, kept)...)
	}
	e.roster.Store(&next)
	return fresh, changed
}

// unplan takes the plans of slots that next does not name any more. It returns all
// that have none: what is under way is still finished. e.mu is held.
func (e *Engine) unplan(next roster, now time.Time, kept func(party) bool) (left []*slot) {
	for _, s := range e.slots {
		p := s.currentPlan()
		if next.has(s, p) {
			continue
		}
		if p != nil {
			s.replan(e, nil, now, kept)
		}
		left = append(left, s)
	}
	return left
}

// spread puts the first looks of many slots apart, so that a start is no stampede.
func spread(i int) time.Duration { return time.Duration(i) * 500 * time.Microsecond }

// undisturbed tells whether a reload that gives the slot plan p changes nothing for
// it: neither the plan, nor its account, nor a sink that it delivers to.
func (s *slot) undisturbed(p *Plan, kept func(party) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.plan.same(p) || !kept(party{account: true, name: p.Key.AccountID}) {
		return false
	}
	gone := func(t Target) bool { return !kept(party{name: t.Sink}) }
	rot := s.rec.Rotation
	delivers := rot != nil && (rot.Phase == Minted || len(rot.Sealed) > 0)
	return !slices.ContainsFunc(p.Targets, gone) && (!delivers || !slices.ContainsFunc(rot.Targets, gone))
}

// replan puts a plan into force; nil takes the slot out of the configuration. What
// failed is tried at once where the reload may have mended it.
func (s *slot) replan(e *Engine, p *Plan, watch time.Time, kept func(party) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.unreserve(s)
	if s.plan != nil || s.visited {
		same := s.plan.same(p)
		s.advance(e.now(), func(sakes []sake) bool {
			return !same || len(sakes) == 0 || slices.ContainsFunc(sakes, func(k sake) bool { return !kept(k.party) })
		})
	}
	s.countUnseen(e, p)
	if p != nil && s.plan != nil {
		s.rec.detach()
		s.rec.share(p)
	}
	s.plan, s.watchNext = p, MomentOf(watch)
	s.unlook()
	s.sights = slices.DeleteFunc(s.sights, func(f place[sight]) bool { return !p.has(f.location) })
	if o := s.notes; o != nil {
		o.errs = nil
		o.drift = slices.DeleteFunc(o.drift, func(d place[driftKind]) bool { return !p.has(d.location) })
	}
}

// persistNew makes the first sight of slots durable, grouped by the journal.
func (e *Engine) persistNew(fresh []*slot) {
	const together = 512
	var wg sync.WaitGroup
	gate := make(chan struct{}, together)
	for _, s := range fresh {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			_ = e.save(s) // memory goes on without; persist tries again
		})
	}
	wg.Wait()
}

// Resumed tells that the process stood still until now: a suspended machine, a
// replica that was not leading. Instants before now were missed.
func (e *Engine) Resumed() {
	now := e.now()
	e.since.Store(int64(MomentOf(now)))
	for _, s := range e.all() {
		s.mu.Lock()
		s.watchNext = MomentOf(now)
		s.mu.Unlock()
	}
	e.WakeAll()
}

func (s *slot) currentPlan() *Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan
}
