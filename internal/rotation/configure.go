package rotation

import (
	"context"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Load brings back what the journal knows. Call it once, before Configure.
func (e *Engine) Load(ctx context.Context) error {
	boot := e.Clock.Elapsed()
	return e.Journal.Load(ctx, func(r *Record) error {
		s := &slot{key: r.Key, rec: *r, seen: newObserved(e.now(), boot)}
		if s.rec.Attempt != nil {
			s.rec.lose(e.Instance, e.now()) // a crash came in between: it may have been carried out
		}
		e.slots[r.Key] = s
		return nil
	})
}

// Configure puts a configuration into force: its plans, accounts and sinks.
// Slots without a plan mint nothing more, but finish what is under way. It
// cannot fail: what can is done before.
func (e *Engine) Configure(plans []*Plan, accounts Accounts, sinks Sinks, sinkNames []string) {
	configured := make(map[string]bool, len(sinkNames))
	for _, n := range sinkNames {
		configured[n] = true
	}
	e.ports.Store(&ports{accounts: accounts, sinks: sinks, configured: configured})
	fresh := e.assign(plans)
	e.persistNew(fresh)
	for _, s := range e.all() {
		e.Alarm.Set(s.key, e.now())
	}
}

// assign gives every slot its plan, and returns the slots seen for the first time.
func (e *Engine) assign(plans []*Plan) (fresh []*slot) {
	now, boot := e.now(), e.Clock.Elapsed()
	names := make(map[string]*slot, len(plans))
	planned := make(map[moq.Key]bool, len(plans))
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, p := range plans {
		planned[p.Key] = true
		s := e.slots[p.Key]
		if s == nil {
			s = &slot{key: p.Key, rec: Record{Key: p.Key, FirstSeen: now.Truncate(time.Second)}, seen: newObserved(now, boot)}
			e.slots[p.Key] = s
			fresh = append(fresh, s)
		}
		s.replan(e, p, now.Add(spread(i)))
		names[p.Slot()] = s
	}
	for k, s := range e.slots {
		if !planned[k] {
			s.replan(e, nil, now)
		}
	}
	e.names.Store(&names)
	return fresh
}

// spread puts the first looks of many slots apart, so that a start is no stampede.
func spread(i int) time.Duration { return time.Duration(i) * 500 * time.Microsecond }

// replan puts a plan into force; nil takes the slot out of the configuration.
func (s *slot) replan(e *Engine, p *Plan, watch time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.unreserve(s)
	s.plan, s.seen.watchNext = p, watch
	clear(s.seen.looks)
	clear(s.seen.errs)
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
	for _, s := range e.all() {
		s.mu.Lock()
		s.seen.since = now
		s.seen.watchNext = now
		s.mu.Unlock()
	}
	e.WakeAll()
}

func (s *slot) currentPlan() *Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan
}
