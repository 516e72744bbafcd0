package rotation

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
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
	slot  *slot
	tried Moment // when the slot last found, about to mint or to write, that the place is its own
}

// claimant says what a slot is about to do at a place.
type claimant uint8

const (
	watching claimant = iota // nothing now
	minting
	writing
	holding // it has written there
)

// claimTries bounds how often a claim is looked at again that has changed meanwhile.
const claimTries = 3

// claim makes the place of a target the slot's own. When it is another's, that is an error before a
// mint and before a write. seen is what the target was found to hold.
func (e *Engine) claim(s *slot, sink sinks.Sink, t Target, as claimant, seen sinks.Holding) error {
	place, err := sink.Place(e.reaching(s, t), t.Target)
	if err != nil || place == "" {
		return err
	}
	id := maphash.String(e.claims.seed, place)
	var theirs Target
	var owner *slot
	var there bool
	for range claimTries {
		owner, there = e.claims.owner(id), false
		if owner != nil && owner != s && as != holding {
			theirs, there = e.heldBy(owner, id, place)
		}
		if there && !e.outranks(s, t, as, seen, owner, theirs) {
			break
		}
		if e.claims.pass(id, owner, s, as, e.now(), there) {
			e.settled(s, t.Location, id)
			return e.differsWithin(s, sink, t, as, id, place)
		}
	}
	switch {
	case as == watching:
		return nil
	case !there:
		return fault.Newf(fault.Retry, fault.Conflict, "deliver to", t.Sink+" "+t.Target, "another slot's target was found at the same place just now").
			WithHint("it is tried again, and says then which slot's")
	}
	return errShared(s, t, owner, theirs)
}

// owner is the slot that has a place; nil when none has.
func (c *claimTable) owner(id uint64) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[id].slot
}

func (c *claimTable) any() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of) > 0
}

// pass gives a place from its owner, which may be nil, to a slot; gently: not while the owner may be
// about to mint for it.
func (c *claimTable) pass(id uint64, from, to *slot, as claimant, now time.Time, gently bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.of[id]
	if was.slot != from || gently && within(was.tried.Time(), now, 2*freshFor) {
		return false
	}
	is := claim{slot: to}
	if from == to {
		is.tried = was.tried
	}
	if as != watching {
		is.tried = MomentOf(now)
	}
	c.of[id] = is
	return true
}

// settled notes where a target of the slot is, and gives up where it was.
func (e *Engine) settled(s *slot, location string, id uint64) {
	s.mu.Lock()
	now := &s.sights.edit(location).place
	before := *now
	*now = id
	left := before != 0 && !slices.ContainsFunc(s.sights, func(p place[sight]) bool { return p.of.place == before })
	s.mu.Unlock()
	if !left {
		return
	}
	e.claims.mu.Lock()
	defer e.claims.mu.Unlock()
	if e.claims.of[before].slot == s {
		delete(e.claims.of, before)
	}
}

// forget drops the claims of slots whose targets are elsewhere by now.
func (c *claimTable) forget() {
	c.mu.Lock()
	all := make(map[uint64]*slot, len(c.of))
	for id, k := range c.of {
		all[id] = k.slot
	}
	c.mu.Unlock()
	for id, s := range all {
		if len(s.targetsAt(id)) > 0 {
			continue
		}
		c.mu.Lock()
		if c.of[id].slot == s {
			delete(c.of, id)
		}
		c.mu.Unlock()
	}
}

// targetsAt are the slot's targets that were last found at a place, and that it delivers to.
func (s *slot) targetsAt(id uint64) (out []Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Target
	if s.plan != nil {
		all = s.plan.Targets
	}
	if s.rec.committed() {
		all = slices.Concat(all, s.rec.latest().Targets)
	}
	for _, p := range s.sights {
		if i := indexOf(all, p.location); i >= 0 && p.of.place == id {
			out = append(out, all[i])
		}
	}
	return out
}

// committed tells whether a value is on its way to the slot's targets, or may be.
func (r *Record) committed() bool {
	return r.Attempt != nil || r.unfinished() || r.Rotation != nil && len(r.Rotation.Sealed) > 0
}

// latest is the mint under way, else the latest rotation.
func (r *Record) latest() *Rotation {
	if r.Attempt != nil {
		return r.Attempt
	}
	return r.Rotation
}

// heldBy looks again whether a target of the slot is at the place: where it leads may have changed.
func (e *Engine) heldBy(s *slot, id uint64, place string) (t Target, there bool) {
	for _, t := range s.targetsAt(id) {
		sink, err := e.sink(t)
		if err != nil {
			continue // it is not configured any more
		}
		if now, err := sink.Place(e.work, t.Target); err != nil || now == place {
			return t, true
		}
	}
	return Target{}, false
}

// outranks tells whether the slot delivered to a place later than its owner did: what is there
// shows it, else the receipts do.
func (e *Engine) outranks(s *slot, t Target, as claimant, seen sinks.Holding, owner *slot, theirs Target) bool {
	s.mu.Lock()
	mine, found := s.rec.Receipts.At(t.Location), s.sights.at(t.Location).place != 0
	s.mu.Unlock()
	if as > minting && found { // who has looked knew it before
		return false
	}
	owner.mu.Lock()
	other, committed := owner.rec.Receipts.At(theirs.Location), owner.rec.committed()
	owner.mu.Unlock()
	switch {
	case e.wrote(s, t, seen):
		return true
	case committed, e.wrote(owner, theirs, seen):
		return false
	}
	return mine.At > other.At
}

// wrote tells whether what a target holds is of the slot: what it delivered, or a value on its way of which
// the process died before it knew that it was written.
func (e *Engine) wrote(s *slot, t Target, seen sinks.Holding) bool {
	if !seen.Known || !seen.Exists {
		return false
	}
	s.mu.Lock()
	rc, pending := s.rec.Receipts.At(t.Location), s.rec.Rotation != nil && len(s.rec.Rotation.Sealed) > 0
	s.mu.Unlock()
	if delivered := rc.shows(e.digest(s, seen.Content)); delivered || rc.Maybe == "" || !pending {
		return delivered
	}
	sink, err := e.sink(t)
	if err != nil {
		return false
	}
	r, _, err := e.record(s)
	if err != nil {
		return false
	}
	content, err := sink.Render(r)
	return err == nil && content.Equal(seen.Content)
}

// shows tells whether a digest is of what was delivered.
func (rc Receipt) shows(digest []byte) bool {
	return rc.RotationID != "" && bytes.Equal(rc.Digest, digest)
}

// differsWithin refuses two targets of one slot that are one place and would hold different contents there.
func (e *Engine) differsWithin(s *slot, sink sinks.Sink, t Target, as claimant, id uint64, place string) error {
	if as != minting {
		return nil
	}
	for _, other := range s.targetsAt(id) {
		second, err := e.sink(other)
		if err != nil || other.Location == t.Location {
			continue
		}
		if at, err := second.Place(e.work, other.Target); err != nil || at != place {
			continue
		}
		record, _, err := e.trial(s)
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

func errShared(s *slot, t Target, owner *slot, theirs Target) error {
	mine, other := s.named(), owner.named()
	return fault.Newf(fault.Permanent, fault.Foreign, "deliver to", t.Sink+" "+t.Target,
		"%s %s of %s is the same place and holds that slot's token, which %s would overwrite", theirs.Sink, theirs.Target, other, mine).
		WithHint("a link or a mount makes them one: give %s or %s another path", mine, other)
}

func errDiffersWithin(t, other Target) error {
	return fault.Newf(fault.Permanent, fault.Invalid, "deliver to", t.Sink+" "+t.Target,
		"this is the same place as %s %s of the same slot, and their contents differ", other.Sink, other.Target).
		WithHint("a link or a mount makes them one: give one of them another path, or both one format")
}

// unseenWait is how long after the start slots whose places were not looked at yet are waited for,
// besides the time that their looks are spread over.
const unseenWait = time.Minute

// watched is whether a slot's targets were looked at since the start.
type watched uint8

const (
	unlooked watched = iota
	awaited          // they were not, and the slot may have delivered to a place under another name
	looked
)

// countUnseen counts the slots that others wait for; s.mu is held.
func (s *slot) countUnseen(e *Engine, p *Plan) {
	if s.watched == looked {
		return
	}
	now := unlooked
	if p != nil && s.rec.mayBeElsewhere() {
		now = awaited
	}
	e.unseen.Add(int64(now) - int64(s.watched))
	s.watched = now
}

// mayBeElsewhere reports whether the slot has, or may have, delivered to a place that has several names. In a
// blackout it looks at none before it has a value again: nobody waits for that.
func (r *Record) mayBeElsewhere() bool {
	switch {
	case r.Attempt != nil && r.Attempt.Strategy == moq.InPlace:
		return false
	case slices.ContainsFunc(r.Receipts, func(rc Receipt) bool { return sinks.HasManyNames(rc.Location) }):
		return true
	}
	return r.committed() && slices.ContainsFunc(r.latest().Targets, func(t Target) bool { return sinks.HasManyNames(t.Location) })
}

// unseenFor is for how long other slots that were not looked at yet are still waited for; s.mu is held.
func (e *Engine) unseenFor(s *slot) time.Duration {
	n := e.unseen.Load()
	if s.watched == awaited {
		n--
	}
	if n <= 0 {
		return 0
	}
	return unseenWait + spread(len(*e.roster.Load())) - (e.Clock.Elapsed().Elapsed - e.boot.Elapsed)
}
