package rotation

import (
	"math/rand/v2"
	"os"
	"regexp"
	"testing"

	"github.com/rotatord/rotatord/internal/slot"
)

// The picture of a slot's states is in docs/architecture.md.
func TestThePictureOfStatesShowsEveryChange(t *testing.T) {
	shown := shownChanges(t)
	seen := map[[2]slot.State]string{}
	for i, s := range scenarios() {
		story, rnd := s.story, rand.New(rand.NewPCG(1, uint64(i)))
		s.story = func(w *world) {
			w.noteChanges(func(from, to slot.State) { seen[[2]slot.State{from, to}] = s.name })
			story(w)
		}
		s.run(t, 1, atRandom(rnd), map[uint64]bool{})
	}
	for change, scenario := range seen {
		if !shown[change] {
			t.Errorf("no arrow from %s to %s, as in %q", change[0], change[1], scenario)
		}
	}
	if len(seen) < 15 {
		t.Errorf("only %d changes were seen: %v", len(seen), seen)
	}
}

// shownChanges returns the arrows of the picture. Those of "sound" are of every state but failing.
func shownChanges(t *testing.T) map[[2]slot.State]bool {
	t.Helper()
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	picture := regexp.MustCompile("(?s)```mermaid\nstateDiagram.*?```").Find(page)
	out, states := map[[2]slot.State]bool{}, map[slot.State]bool{}
	for _, arrow := range regexp.MustCompile(`(?m)^ +(\w+) --> (\w+)`).FindAllSubmatch(picture, -1) {
		from, to := slot.State(arrow[1]), slot.State(arrow[2])
		out[[2]slot.State{from, to}] = true
		states[from], states[to] = true, true
	}
	for _, s := range slot.States() {
		if !states[s] {
			t.Errorf("the picture lacks %s", s)
		}
		out[[2]slot.State{s, slot.StateFailing}] = out[[2]slot.State{"sound", slot.StateFailing}]
		out[[2]slot.State{slot.StateFailing, s}] = out[[2]slot.State{slot.StateFailing, "sound"}]
	}
	return out
}

// noteChanges tells of each change of the slot's state that calls find, within one process.
func (w *world) noteChanges(note func(from, to slot.State)) {
	var engine *Engine
	var last slot.State
	check := w.check
	w.check = func(w *world) {
		check(w)
		now := w.stateNow()
		if now != "" && engine == w.engine && last != "" && last != now {
			note(last, now)
		}
		engine, last = w.engine, now
	}
}

// stateNow is the slot's state; "" when it has none, or is being changed.
func (w *world) stateNow() slot.State {
	s := w.engine.slots.workerOf(testKey)
	if s == nil || s.plan == nil || !s.mu.TryLock() {
		return ""
	}
	defer s.mu.Unlock()
	v := s.view()
	st := v.Status()
	return st.State
}
