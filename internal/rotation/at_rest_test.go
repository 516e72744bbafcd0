package rotation

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestASlotAtRestIsWokenWithoutAPass(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Hour)
	at := w.alarm
	if w.engine.WakeAll(); len(w.queue) > 0 || !w.alarm.Equal(at) || at.IsZero() {
		t.Errorf("%d passes, alarm at %v, want none and %v", len(w.queue), w.alarm, at)
	}
	w.pass(at.Sub(w.now))
	if w.engine.WakeAll(); len(w.queue) != 1 {
		t.Errorf("%d passes of a slot that is due, want 1", len(w.queue))
	}
}

func TestASlotAtRestKeepsOfItsLooksWhenTheyWere(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.addSink("optional", false)
	w.start()
	w.run(time.Hour)
	checked := func() (times []time.Time) {
		for _, s := range w.status().Sinks {
			times = append(times, s.Checked)
		}
		return times
	}
	first := checked()
	if w.engine.slots.workerOf(testKey).notes != nil || len(first) != 2 || first[0].Before(w.born) || first[1].Before(w.born) {
		t.Errorf("notes %+v, targets checked at %v", w.engine.slots.workerOf(testKey).notes, first)
	}
	w.run(7 * time.Hour)
	if then := checked(); !then[0].After(first[0]) || !then[1].After(first[1]) || w.engine.slots.workerOf(testKey).notes != nil {
		t.Errorf("notes %+v, targets checked at %v, and before at %v", w.engine.slots.workerOf(testKey).notes, then, first)
	}
	w.engine.slots.workerOf(testKey).forgetInspections()
	if then := checked(); !then[0].IsZero() || !then[1].IsZero() {
		t.Errorf("targets that count as not looked at were checked at %v", then)
	}
}

func TestTargetsAreComparedAsOftenAsConfigured(t *testing.T) {
	for _, every := range []time.Duration{5 * time.Minute, 3 * time.Hour} {
		w := newWorld(t, moq.Overlap, 1)
		w.change(func(p *slot.Plan) { p.ProbeInterval = every })
		w.start()
		w.run(9 * time.Hour) // the first rotation is long over
		checked := func() time.Time { return w.status().Sinks[0].Checked }
		before := checked()
		w.run(every - time.Minute)
		early := checked()
		w.run(time.Minute)
		if then := checked(); !early.Equal(before) || then.Sub(before) != every {
			t.Errorf("every %s: looked at %s, and then at %s and %s", every, before, early, then)
		}
	}
}

func TestNotesAreLetGoWhenTheyNoLongerMatter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	kept := func(until time.Time, change func(*worker)) bool {
		s := &worker{}
		s.ensureNotes().Inspections.Set("here", slot.Inspection{At: now})
		change(s)
		s.forgetIfIdle(now, until)
		return s.notes != nil
	}
	for name, change := range map[string]func(*worker){
		"a place asked for":      func(s *worker) { s.notes.Reserving = true },
		"a place granted":        func(s *worker) { s.notes.Reserved = true },
		"a delivery in flight":   func(s *worker) { s.notes.DeliveringOptional.Set("here", true) },
		"a look in flight":       func(s *worker) { s.notes.InspectingOptional.Set("here", true) },
		"a call in its turn":     func(s *worker) { s.notes.preempt = func() {} },
		"a relay that is full":   func(s *worker) { s.notes.RelayFull = true },
		"an unsaved record":      func(s *worker) { s.notes.Unsaved = true },
		"failed retirements":     func(s *worker) { s.notes.failedRetirements = 1 },
		"a value":                func(s *worker) { s.notes.value.rotationID = "1" },
		"drift":                  func(s *worker) { s.notes.Health.Set("here", slot.TargetHealth{Drift: slot.DriftChanged}) },
		"trouble with a target":  func(s *worker) { s.notes.Errors.Set("here", errDead) },
		"an attempt":             func(s *worker) { s.record.PendingMint = &slot.Rotation{} },
		"a failure":              func(s *worker) { s.record.Failure = &slot.Failure{} },
		"a lost mint":            func(s *worker) { s.record.Orphans = []slot.Orphan{{}} },
		"an adopted token":       func(s *worker) { s.record.Retiring = []slot.Token{{}} },
		"an unfinished rotation": func(s *worker) { s.record.Rotation = &slot.Rotation{Phase: slot.Minted} },
		"an optional delivery":   func(s *worker) { s.record.Rotation = &slot.Rotation{Phase: slot.Verified, Sealed: []byte{1}} },
	} {
		if !kept(time.Time{}, change) {
			t.Errorf("%s: the notes were let go", name)
		}
	}
	nothing := func(*worker) {}
	if kept(time.Time{}, nothing) || kept(now.Add(slot.FreshFor+1), nothing) || !kept(now.Add(slot.FreshFor), nothing) {
		t.Error("want the notes kept while the look is fresh when the slot acts again, and no longer")
	}
}

func TestSlotsAreListedByRelayThenTypeAndFoundByName(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	plan := func(relay string, id byte, typ moq.TokenType) *slot.Plan {
		p := copyOf(w.plan)
		p.Relay, p.Key = relay, moq.Key{AccountID: testAccount, RelayID: strings.Repeat(string(id), 32), Type: typ}
		return p
	}
	configure := func(plans ...*slot.Plan) (names []string) {
		for i := range plans { // one new one at a time: they are saved side by side
			w.engine.Configure(plans[:i+1], w, w, []string{"sink0"})
		}
		w.engine.Statuses(func(st *slot.Status) bool { names = append(names, st.Slot); return true })
		return names
	}
	found := func(relay string, typ moq.TokenType) bool { _, ok := w.engine.StatusOf(relay, string(typ)); return ok }

	first := configure(plan("b", 'c', moq.Subscribe), plan("a", 'd', moq.Subscribe), plan("b", 'c', moq.PublishSubscribe))
	if want := []string{"a/subscribe", "b/publish_subscribe", "b/subscribe"}; !slices.Equal(first, want) {
		t.Errorf("listed as %v, want %v", first, want)
	}
	if !found("b", moq.Subscribe) || found("a", moq.PublishSubscribe) || found("", "") {
		t.Error("a slot is not found by its name, or one that is not configured is")
	}
	second := configure(plan("z", 'd', moq.Subscribe), plan("b", 'c', moq.Subscribe))
	if want := []string{"b/subscribe", "z/subscribe"}; !slices.Equal(second, want) || found("a", moq.Subscribe) || !found("z", moq.Subscribe) {
		t.Errorf("after one was renamed and one removed: %v, want %v", second, want)
	}
}

// A fleet's memory is mostly its slots: raise this only with a reason. (That it points to the next slot of its relay
// takes 8 bytes, and spares the registry an entry of its own for each slot; which schedule it goes by, 8 and what they
// point to; since when its first rotation is due, 8, as a start and a standby are to know it too.)
func TestASlotTakesNoMoreMemoryThanItDid(t *testing.T) {
	const most, mostOfPlan = 304, 168
	size := int(unsafe.Sizeof(worker{}))
	if size > most {
		t.Errorf("a slot takes %d bytes, want at most %d", size, most)
	}
	if size := unsafe.Sizeof(slot.Plan{}); size > mostOfPlan {
		t.Errorf("a plan takes %d bytes, want at most %d", size, mostOfPlan)
	}
	if page := 8192; slotsAtOnce*size%page != 0 {
		t.Errorf("%d slots of %d bytes do not fill whole pages", slotsAtOnce, size)
	}
}
