package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// Stories of targets that move while something is under way, and what is promised of them.

// move has the slot deliver to another target in the place of one; the former stays where it is.
func (w *world) move(from, to string) {
	if w.sinks[to] == nil {
		w.sinks[to] = &fakeSink{w: w, name: to}
	}
	p := copyOf(w.plan)
	for i, t := range p.Targets {
		if t.Sink == from {
			p.Targets[i].Sink, p.Targets[i].Location = to, "file://"+to+"/t"
		}
	}
	w.plan = p
	w.reconfigure()
}

// pathCorrected: the path of a target is corrected while the delivery there fails.
func pathCorrected(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(writeCall, func() { w.sinks["sink0"].down = true })
	w.run(70 * time.Second)
	w.calmly(50 * time.Second)
	if !w.rec().Unfinished() {
		return // a clock that was set had it be on its way at another time
	}
	w.move("sink0", "moved")
	w.run(90 * time.Minute)
}

// movedInAWrite: the path changes while a write to the old one is in flight, and back while one to the new one is.
func movedInAWrite(w *world) {
	w.calmly(24*time.Hour - time.Minute)
	w.during(writeCall, func() {
		w.move("sink0", "moved")
		w.during(writeCall, func() { w.move("moved", "sink0") })
	})
	w.run(3 * time.Hour)
}

// movedAndBack: a path is changed, and changed back when the tokens that it held are long gone.
func movedAndBack(w *world) {
	w.calmly(time.Hour)
	w.move("sink0", "moved")
	w.calmly(40 * 24 * time.Hour)
	w.run(time.Hour)
	w.move("moved", "sink0")
	w.run(3 * time.Hour)
	w.calmly(24 * time.Hour) // in_place waits for its schedule
}

// restoredAndWiped: an old state comes back with a value on its way, when a sink is empty by now: another holds the newest
// value, or, if there is none, nothing shows whether it is the newest.
func restoredAndWiped(w *world) { w.restoreAndWipe(func() {}) }

// restoredUnderARightClock: and that state was kept while the clock was more than a year ahead.
func restoredUnderARightClock(w *world) {
	w.step(400 * 24 * time.Hour)
	w.restoreAndWipe(func() { w.now = w.theirs() })
}

func (w *world) restoreAndWipe(meanwhile func()) {
	w.calmly(time.Hour)
	w.during(writeCall, func() { w.backup = w.disk.saved })
	w.calmly(50 * time.Hour)
	w.restart(func() {
		w.disk.saved, w.forgetful = w.backup, true
		w.sinks["sink0"].replace("")
		meanwhile()
	})
	w.run(3 * time.Hour)
}

// mustStillDeliver: what left the slot before a write began is not written to.
func (w *world) mustStillDeliver(sink string, hadPlan *slot.Plan) {
	if !hadPlan.Delivers("file://" + sink + "/t") {
		w.breaks("8: a value goes to %s, which has left the slot", sink)
	}
}

// mustNotHold: a token that a target which left the slot holds is left to expire.
func (w *world) mustNotHold(t moq.Token) {
	for name, s := range w.sinks {
		if s.content == t.Value.Reveal() && s.content != s.forgotten && !w.plan.Delivers("file://"+name+"/t") && !w.compromised {
			w.breaks("8: the token that %s holds, which has left the slot, is revoked", name)
		}
	}
}

func TestATargetThatLeftTheSlotIsNoLongerWaitedForOrWrittenTo(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 2)
			w.start()
			w.run(2 * time.Minute)
			w.during(writeCall, func() { w.sinks["sink1"].down = true })
			w.ask(false)
			w.run(time.Minute)
			if st := w.status(); st.Failure == nil {
				t.Fatalf("nothing failed; the slot is %s", st.State)
			}
			p := copyOf(w.plan)
			p.Targets = p.Targets[:1]
			w.plan = p
			w.reconfigure()
			before := w.sinks["sink1"].writes
			w.run(10 * time.Second)
			if s := w.status(); s.Failure != nil || !s.Requested.IsZero() || w.sinks["sink1"].writes != before {
				t.Errorf("%+v, %d writes", s, w.sinks["sink1"].writes-before)
			}
			if len(w.broken) > 0 {
				t.Error(w.broken)
			}
		})
	}
}

// What a target that left may hold is not revoked when its grace would end, and nobody is told that it is.
func TestATokenThatIsLeftToExpireIsListedWithoutATimeOfItsRevocation(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(2 * time.Minute)
	held := w.rec().Current.ID
	p := copyOf(w.plan)
	p.Targets = p.Targets[:1]
	w.plan = p
	w.reconfigure()
	for range 2 {
		w.ask(false)
		w.run(time.Second)
	}
	tokens, err := NewAdministration(w.engine).Tokens(t.Context(), "live")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, tok := range tokens {
		if tok.Owner == slot.Ours {
			told[tok.TokenID] = !tok.Retire.IsZero()
		}
	}
	if len(told) != 3 || told[held] || told[w.rec().Current.ID] || !told[w.rec().Retiring[1].ID] {
		t.Errorf("of these it is told when they are revoked: %v; the target that left holds %s", told, held)
	}
}

func TestATargetThatLeftInADeliveryAndComesBackIsANewOne(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(2 * time.Minute)
	w.during(writeCall, func() { w.sinks["sink1"].down = true })
	w.ask(false)
	w.run(time.Minute)
	both := w.plan
	p := copyOf(both)
	p.Targets = p.Targets[:1]
	w.plan = p
	w.reconfigure()
	w.run(time.Minute)
	w.sinks["sink1"].down, w.plan = false, both
	w.reconfigure()
	w.run(time.Minute)
	if s := w.status(); s.Failure != nil || w.age(w.sinks["sink1"].content) != 0 {
		t.Errorf("%+v; it holds %q", s.Failure, w.sinks["sink1"].content)
	}
}

func TestTheValueAtHandGoesToTheCorrectedTargetUnlessThatHoldsWhatIsNotOurs(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 1)
			w.start()
			w.run(2 * time.Minute)
			w.during(writeCall, func() { w.sinks["sink0"].down = true })
			w.ask(false)
			w.run(time.Minute)
			minted := w.relay.next
			w.sinks["moved"] = &fakeSink{w: w, name: "moved", content: "somebody else's"}
			w.move("sink0", "moved")
			w.run(10 * time.Second)
			if f := w.status().Failure; f == nil || f.Reason != "foreign" || w.sinks["moved"].writes > 0 {
				t.Fatalf("%+v", f)
			}
			w.sinks["moved"].content = ""
			w.run(5 * time.Minute)
			if s := w.status(); s.Failure != nil || w.age(w.sinks["moved"].content) != 0 || w.relay.next != minted {
				t.Errorf("%+v; it holds %q, %d more values were minted", s.Failure, w.sinks["moved"].content, w.relay.next-minted)
			}
			w.run(time.Hour)
			if w.relay.next != minted {
				t.Error("it counts as a new target afterwards")
			}
		})
	}
}

// atARestart has an in_place value fail to be delivered, and the process start again beside a target that holds content.
func atARestart(t *testing.T, verify bool, content func(before string) string) *world {
	t.Helper()
	w := newWorld(t, moq.InPlace, 1)
	p := copyOf(w.plan)
	p.Verify = verify
	w.plan = p
	w.start()
	w.run(2 * time.Minute)
	sink := w.sinks["sink0"]
	w.during(writeCall, func() { sink.down = true })
	w.ask(false)
	w.run(time.Minute)
	w.relay.down = true // a value that is given up is not replaced at once
	w.restart(func() { sink.down, sink.content = false, content(sink.content) })
	return w
}

func TestAValueThatWasGivenUpStaysSoWhenTheProcessStartsAgain(t *testing.T) {
	for _, verify := range []bool{true, false} {
		w := atARestart(t, verify, func(string) string { return "a newer one" })
		w.run(30 * time.Second)
		if f := w.status().Failure; f == nil {
			t.Fatal("the value is not given up")
		}
		writes := w.sinks["sink0"].writes
		w.restart(func() { w.sinks["sink0"].content = "value-1" }) // as it was before
		w.run(time.Minute)
		if w.sinks["sink0"].writes > writes {
			t.Errorf("verify %t: the value that was given up is written", verify)
		}
		before := w.relay.rotates
		w.relay.down = false
		w.run(time.Minute)
		if s := w.status(); s.Failure != nil || w.age(w.sinks["sink0"].content) != 0 || w.relay.rotates-before > 3 {
			t.Errorf("verify %t: %+v; it holds %q after %d more rotations", verify, s.Failure, w.sinks["sink0"].content, w.relay.rotates-before)
		}
	}
}

func TestAValueOfAnEarlierProcessIsDeliveredWhereTheFormerOneStands(t *testing.T) {
	for _, verify := range []bool{true, false} {
		w := atARestart(t, verify, func(before string) string { return before })
		w.run(time.Minute)
		if s := w.status(); s.Failure != nil || w.sinks["sink0"].content != "value-2" {
			t.Errorf("verify %t: %+v; it holds %q", verify, s.Failure, w.sinks["sink0"].content)
		}
	}
}
