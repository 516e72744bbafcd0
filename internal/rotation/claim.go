package rotation

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// Two targets may be one place under two names: a folder, and a link or a mount that leads to it.
// A place is of one slot, the one that delivered there last; another may not mint for it, since
// the two would overwrite each other for ever. Whose a place is shows on looking, at each start anew.

// claimTable says whose each place is, as far as slots have looked.
type claimTable struct {
	mu   sync.Mutex
	seed maphash.Seed
	of   map[uint64]claim // by the place's hash: a fleet has many
}

type claim struct {
	slot  *worker
	tried slot.Timestamp // when the slot last found, about to mint or to write, that the place is its own
}

// claimant says what a slot is about to do at a place.
type claimant uint8

const (
	watching claimant = iota // nothing now
	minting
	writing
	holding // it has written there
)

// claimantOf is what follows a look.
func claimantOf(d slot.Depth) claimant {
	if d < slot.DepthTrial {
		return watching
	}
	return minting
}

// claimTries bounds how often a claim is looked at again that has changed meanwhile.
const claimTries = 3

// claimPlace makes the place of a target the slot's own. When it is another's, that is an error before a
// mint and before a write. seen is what the target was found to hold.
func (w *worker) claimPlace(sink sinks.Sink, t slot.Target, as claimant, seen sinks.Holding) error {
	place, err := sink.Place(w.callContext(t), t.Target)
	if err != nil || place == "" {
		return err
	}
	id := maphash.String(w.engine.claims.seed, place)
	var theirs slot.Target
	var owner *worker
	var there bool
	for range claimTries {
		owner, there = w.engine.claims.ownerOf(id), false
		if owner != nil && owner != w && as != holding {
			theirs, there = owner.targetHeldAt(id, place)
		}
		if there && !w.deliveredLaterThan(t, as, seen, owner, theirs) {
			break
		}
		if w.engine.claims.handOver(id, owner, w, as, w.engine.now(), there) {
			w.noteLocation(t.Location, id)
			return w.refuseDifferingContents(sink, t, as, id, place)
		}
	}
	switch {
	case as == watching:
		return nil
	case !there:
		return fault.Newf(fault.Retry, fault.Conflict, "deliver to", t.Sink+" "+t.Target, "another slot's target was found at the same place just now").
			WithHint("it is tried again, and says then which slot's")
	}
	return errShared(w, t, owner, theirs)
}

// ownerOf returns the slot that has a place; nil when none has.
func (c *claimTable) ownerOf(id uint64) *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[id].slot
}

func (c *claimTable) hasAny() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of) > 0
}

// handOver hands a place over from its owner, which may be nil, to a slot, and reports whether it did; gently: not
// while the owner may be about to mint for it.
func (c *claimTable) handOver(id uint64, from, to *worker, as claimant, now time.Time, gently bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.of[id]
	if was.slot != from || gently && slot.Within(was.tried.Time(), now, 2*slot.FreshFor) {
		return false
	}
	is := claim{slot: to}
	if from == to {
		is.tried = was.tried
	}
	if as != watching {
		is.tried = slot.TimestampOf(now)
	}
	c.of[id] = is
	return true
}

// noteLocation notes where a target of the slot is, and releases the claim of where it was.
func (w *worker) noteLocation(location string, id uint64) {
	if before, left := w.moveSighting(location, id); left {
		w.engine.claims.releaseClaim(before, w)
	}
}

// moveSighting notes where a target is now; left: none of the slot is where it was before.
func (m *memory) moveSighting(location string, id uint64) (before uint64, left bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := &m.sightings.Edit(location).Place
	before, *now = *now, id
	return before, before != 0 && !slices.ContainsFunc(m.sightings, func(p slot.LocationEntry[slot.Sighting]) bool { return p.Value.Place == before })
}

// releaseClaim gives up a slot's claim of a place, if it has it.
func (c *claimTable) releaseClaim(id uint64, w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id].slot == w {
		delete(c.of, id)
	}
}

// releaseMoved drops the claims of slots whose targets are elsewhere by now.
func (c *claimTable) releaseMoved() {
	for id, w := range c.ownersByPlace() {
		if len(w.targetsAt(id)) == 0 {
			c.releaseClaim(id, w)
		}
	}
}

// ownersByPlace returns who has which place.
func (c *claimTable) ownersByPlace() map[uint64]*worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[uint64]*worker, len(c.of))
	for id, k := range c.of {
		all[id] = k.slot
	}
	return all
}

// targetsAt are the slot's targets that were last found at a place, and that it delivers to.
func (w *worker) targetsAt(id uint64) (out []slot.Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	all := v.TargetsInHand()
	for _, p := range w.sightings {
		if i := slot.TargetAt(all, p.Location); i >= 0 && p.Value.Place == id {
			out = append(out, all[i])
		}
	}
	return out
}

// targetHeldAt looks again whether a target of the slot is at the place: where it leads may have changed.
func (w *worker) targetHeldAt(id uint64, place string) (t slot.Target, there bool) {
	for _, t := range w.targetsAt(id) {
		sink, err := w.sink(t)
		if err != nil {
			continue // it is not configured any more
		}
		if now, err := sink.Place(w.engine.work, t.Target); err != nil || now == place {
			return t, true
		}
	}
	return slot.Target{}, false
}

// deliveredLaterThan reports whether the slot delivered to a place later than its owner did: what is there
// shows it, else the receipts do.
func (w *worker) deliveredLaterThan(t slot.Target, as claimant, seen sinks.Holding, owner *worker, theirs slot.Target) bool {
	var found, committed bool
	w.locked(func() { found = w.sightings.At(t.Location).Place != 0 })
	if as > minting && found { // who has looked knew it before
		return false
	}
	owner.locked(func() { committed = owner.record.DeliveryPending() })
	switch {
	case w.wroteContent(t, seen):
		return true
	case committed, owner.wroteContent(theirs, seen):
		return false
	}
	return w.receipt(t).At > owner.receipt(theirs).At
}

// wroteContent reports whether what a target holds is of the slot: what it delivered, or a value on its way of which
// the process died before it knew that it was written.
func (w *worker) wroteContent(t slot.Target, seen sinks.Holding) bool {
	if !seen.Known || !seen.Exists {
		return false
	}
	var delivered, pending bool
	digest := w.digest(seen.Content)
	w.locked(func() {
		v := w.view()
		delivered, pending = w.record.Receipts.At(t.Location).Matches(digest), v.MayHoldLatest(t.Location)
	})
	if delivered || !pending {
		return delivered
	}
	sink, err := w.sink(t)
	if err != nil {
		return false
	}
	r, _, err := w.recordToDeliver()
	if err != nil {
		return false
	}
	content, err := sink.Render(r)
	return err == nil && content.Equal(seen.Content)
}

// refuseDifferingContents refuses two targets of one slot that are one place and would hold different contents there.
func (w *worker) refuseDifferingContents(sink sinks.Sink, t slot.Target, as claimant, id uint64, place string) error {
	if as != minting {
		return nil
	}
	for _, other := range w.targetsAt(id) {
		second, err := w.sink(other)
		if err != nil || other.Location == t.Location {
			continue
		}
		if at, err := second.Place(w.engine.work, other.Target); err != nil || at != place {
			continue
		}
		record, _, err := w.trialRecord()
		if err != nil {
			return err
		}
		one, err1 := sink.Render(record)
		two, err2 := second.Render(record)
		if err1 == nil && err2 == nil && !one.Equal(two) {
			return errDiffersWithin(t, other)
		}
	}
	return nil
}

func errShared(w *worker, t slot.Target, owner *worker, theirs slot.Target) error {
	mine, other := w.name(), owner.name()
	return fault.Newf(fault.Permanent, fault.Foreign, "deliver to", t.Sink+" "+t.Target,
		"%s %s of %s is the same place and holds that slot's token, which %s would overwrite", theirs.Sink, theirs.Target, other, mine).
		WithHint("a link or a mount makes them one: give %s or %s another path", mine, other)
}

func errDiffersWithin(t, other slot.Target) error {
	return fault.Newf(fault.Permanent, fault.Invalid, "deliver to", t.Sink+" "+t.Target,
		"this is the same place as %s %s of the same slot, and their contents differ", other.Sink, other.Target).
		WithHint("a link or a mount makes them one: give one of them another path, or both one format")
}

// unseenWait is how long after the start slots whose places were not looked at yet are waited for,
// besides the time that their looks are spread over.
const unseenWait = time.Minute

// inspectedState is whether a slot's targets were looked at since the start.
type inspectedState uint8

const (
	notInspected inspectedState = iota
	awaited                     // they were not, and the slot may have delivered to a place under another name
	wasInspected
)

// countUninspected counts the slots that others wait for; w.mu is held.
func (w *worker) countUninspected(e *Engine, p *slot.Plan) {
	if w.inspected == wasInspected {
		return
	}
	now := notInspected
	if p != nil && mayBeElsewhere(&w.record) {
		now = awaited
	}
	e.uninspected.Add(int64(now) - int64(w.inspected))
	w.inspected = now
}

// mayBeElsewhere reports whether a slot has, or may have, delivered to a place that has several names. In a
// blackout it looks at none before it has a value again: nobody waits for that.
func mayBeElsewhere(r *slot.Record) bool {
	switch {
	case r.PendingMint != nil && r.PendingMint.Strategy == moq.InPlace:
		return false
	case slices.ContainsFunc(r.Receipts, func(rc slot.Receipt) bool { return sinks.HasManyNames(rc.Location) }):
		return true
	}
	return r.DeliveryPending() && slices.ContainsFunc(r.PendingOrLatest().Targets, func(t slot.Target) bool { return sinks.HasManyNames(t.Location) })
}

// othersAwaitedFor is how much longer other slots, which were not looked at yet, are waited for; w.mu is held.
func (w *worker) othersAwaitedFor() time.Duration {
	n := w.engine.uninspected.Load()
	if w.inspected == awaited {
		n--
	}
	if n <= 0 {
		return 0
	}
	return unseenWait + staggered(len(*w.engine.slots.configured.Load())) - (w.engine.Clock.Elapsed().Elapsed - w.engine.began.Elapsed)
}
