package rotation

import (
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

// Configure puts a configuration into force: its plans, accounts and sinks.
// Slots without a plan mint nothing more, but finish what is under way; those
// of which nothing changed go on undisturbed, and wait on if they failed. It cannot
// fail: what can is done before.
func (e *Engine) Configure(plans []*slot.Plan, accounts Accounts, sinks Sinks, sinkNames []string) {
	next := &backends{accounts: accounts, sinks: sinks, configured: make(map[string]bool, len(sinkNames))}
	for _, n := range sinkNames {
		next.configured[n] = true
	}
	before := e.backends.Swap(next)
	first := before.configured == nil
	fresh, changed := e.assignPlans(plans, before.keptBy(next), first)
	e.claims.releaseMoved()
	e.saveNew(fresh)
	open := accountsOf(plans, accounts)
	if first {
		e.obeyBlocks(open)
		e.resumeWaits()
	}
	e.watchBlocks(open)
	e.wakeChanged(changed)
}

// Compare says what Configure would change of the slots with these plans.
func (e *Engine) Compare(plans []*slot.Plan) slot.Changes {
	now := *e.slots.configured.Load()
	old := make([]*slot.Plan, len(now))
	for i := range now {
		old[i] = now[i].plan
	}
	return slot.ComparePlans(old, plans)
}

// wakeChanged sees that each slot is looked at when it has something to do: those that have it now go on meanwhile.
func (e *Engine) wakeChanged(slots []*worker) {
	e.together.forMany(len(slots), func(i int) { slots[i].armOrWake() })
}

// keptBy returns a function that reports whether next has a sink or an account of before, the very same.
func (before *backends) keptBy(next *backends) func(upstream) bool {
	same := make(map[string]bool, len(next.configured))
	for name := range next.configured {
		if before.configured[name] {
			a, _ := before.sinks.Sink(name)
			b, _ := next.sinks.Sink(name)
			same[name] = a == b
		}
	}
	return func(p upstream) bool {
		if !p.account {
			return same[p.name]
		}
		if before.accounts == nil {
			return false
		}
		a, ok := before.accounts.Account(p.name)
		b, _ := next.accounts.Account(p.name)
		return ok && a == b
	}
}

// assignPlans puts each slot's plan into force. It returns the slots seen for the first time,
// and all that have something new to look at.
func (e *Engine) assignPlans(plans []*slot.Plan, kept func(upstream) bool, first bool) (fresh, changed []*worker) {
	now := e.now()
	e.slots.mu.Lock()
	defer e.slots.mu.Unlock()
	next := make(roster, len(plans))
	e.together.forMany(len(plans), func(i int) { next[i] = entry{plans[i], e.slots.workerOfLocked(plans[i].Key)} })
	e.left.Store(e.findLeftLocations(next))
	fresh = e.addMissing(next)
	affected := e.affected(next, kept)
	changed = make([]*worker, len(affected))
	e.together.forMany(len(affected), func(i int) {
		p, w := affected[i].plan, affected[i].slot
		wait := staggered(i)
		if first && e.TakeOver {
			wait = w.firstLook(p, i, len(plans))
		}
		w.applyPlan(e, p, now.Add(wait), kept)
		changed[i] = w
	})
	next.sort()
	if len(next) < e.slots.size {
		changed = slices.Concat(changed, e.removePlans(next, now, kept))
	}
	e.slots.configured.Store(&next)
	return fresh, changed
}

// addMissing makes the workers of slots that have none. e.slots.mu is held.
func (e *Engine) addMissing(next roster) (fresh []*worker) {
	for i := range next {
		if n := &next[i]; n.slot == nil {
			t := e.timesFor(n.plan.Key.AccountID)
			n.slot = e.slots.addWorker(e, slot.NewRecord(n.plan, &t))
			fresh = append(fresh, n.slot)
		}
	}
	return fresh
}

// affected are those of next that get another plan, account or sink. The others keep the plans that they have, there too.
func (e *Engine) affected(next roster, kept func(upstream) bool) (out roster) {
	unaffected := make([]bool, len(next))
	e.together.forMany(len(next), func(i int) {
		n := &next[i]
		if unaffected[i] = n.slot.unaffectedBy(n.plan, kept); unaffected[i] {
			n.plan = n.slot.currentPlan()
		}
	})
	for i := range next {
		if !unaffected[i] {
			out = append(out, next[i])
		}
	}
	return out
}

// removePlans takes the plans of slots that next does not name any more. It returns all
// that have none: what is under way is still finished. e.slots.mu is held.
func (e *Engine) removePlans(next roster, now time.Time, kept func(upstream) bool) (left []*worker) {
	for w := range e.slots.eachWorker() {
		p := w.currentPlan()
		if next.has(w, p) {
			continue
		}
		if p != nil {
			w.applyPlan(e, nil, now, kept)
		}
		left = append(left, w)
	}
	return left
}

// staggered puts the first looks of many slots apart, so that a start is no stampede.
func staggered(i int) time.Duration { return time.Duration(i) * 500 * time.Microsecond }

// firstLook is in how much time the targets of a slot that was taken over are looked at, as the nth of so many. Others
// wait until it is known whose a place is that has several names.
func (w *worker) firstLook(p *slot.Plan, n, of int) time.Duration {
	wait := w.record.FirstLook(p, n, of)
	if mayBeElsewhere(&w.record) {
		return min(wait, staggered(n))
	}
	return wait
}

// unaffectedBy reports whether a reload under which the slot has plan p changes nothing for
// it: neither the plan, nor its account, nor a sink that it delivers to.
func (m *memory) unaffectedBy(p *slot.Plan, kept func(upstream) bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.plan.Same(p) || !kept(upstream{account: true, name: p.Key.AccountID}) {
		return false
	}
	gone := func(t slot.Target) bool { return !kept(upstream{name: t.Sink}) }
	rot := m.record.Rotation
	delivers := rot != nil && (rot.Phase == slot.Minted || len(rot.Sealed) > 0)
	return !slices.ContainsFunc(p.Targets, gone) && (!delivers || !slices.ContainsFunc(rot.Targets, gone))
}

// applyPlan puts a plan into force; nil takes the slot out of the configuration. What
// failed is tried at once where the reload may have mended it.
func (w *worker) applyPlan(e *Engine, p *slot.Plan, watch time.Time, kept func(upstream) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancelReservation()
	if w.plan != nil || w.visited {
		same := w.plan.Same(p)
		w.bringForward(e.now(), func(blames []blame) bool {
			return !same || len(blames) == 0 || slices.ContainsFunc(blames, func(k blame) bool { return !kept(k.upstream) })
		})
	}
	w.countUninspected(e, p)
	if p != nil {
		if w.plan != nil || w.visited {
			detachRotations(&w.record)
		}
		sharePlanWords(&w.record, p)
	}
	w.noteNext(p, e.now())
	w.plan, w.nextCheck = p, slot.TimestampOf(watch)
	w.forgetInspections()
	w.sightings = slices.DeleteFunc(w.sightings, func(f slot.LocationEntry[slot.Sighting]) bool { return !p.Delivers(f.Location) })
	if o := w.notes; o != nil {
		o.Errors, o.NextRoom = nil, 0
		o.Health = slices.DeleteFunc(o.Health, func(h slot.LocationEntry[slot.TargetHealth]) bool { return !p.Delivers(h.Location) })
	}
}

// noteNext has the record say what it must before the slot gets its next plan, or what that changes. w.mu is held.
func (w *worker) noteNext(p *slot.Plan, now time.Time) {
	// A record of an older version does not say by which schedule the slot went, and must before the new one comes, or
	// nobody sees that it changed. Later records say it since their last save.
	if w.record.InForce == nil {
		w.record.NoteSchedule(w.plan)
	}
	if w.plan != nil {
		v := w.view()
		v.LeaveSchedule(p)
	}
	if w.record.NoteInitial(p, slot.TimestampOf(now)) {
		w.ensureNotes().Unsaved = true
	}
}

// adoptSchedule has a changed schedule count from now on.
func (w *worker) adoptSchedule() {
	w.updateRecord(func(r *slot.Record) {
		if w.plan != nil {
			t := w.times()
			r.AdoptSchedule(w.plan, slot.TimestampOf(t.ScheduleNow()))
		}
	})
}

// saveNew makes the first sight of slots durable, grouped by the journal. Once that cannot be written, the others are not
// tried: each would wait for it as long.
func (e *Engine) saveNew(fresh []*worker) {
	const together = 512
	var wg sync.WaitGroup
	gate := make(chan struct{}, together)
	for _, w := range fresh {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			if err := e.StorageErr(); err != nil {
				w.locked(func() { w.noteSave(err) })
				return
			}
			_ = w.save() // memory goes on without; slot.Save comes again
		})
	}
	wg.Wait()
}
