package rotation

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// shared is a fleet in which targets of one store are one place under several names, and what is
// promised of that: a place that holds one slot's value is not overwritten by another, and nobody
// mints for one.
type shared struct {
	*fleet
	disk   *store
	writer map[string]string // by place: the target through which it was written last
	broken []string
}

func newShared(t *testing.T, strategy moq.Strategy, n int) *shared {
	w := &shared{fleet: newFleet(t, strategy, n, "disk"), writer: map[string]string{}}
	w.disk = w.stores["disk"]
	w.disk.places, w.disk.reads = map[string]string{}, true
	for i := range n {
		w.place(i, "one")
	}
	w.disk.onWrite = func(target string) {
		w.mustBeOwn(target, "is overwritten")
		w.writer[w.disk.key(target)] = target
	}
	w.onMint = func(relayID string) {
		w.disk.mu.Lock()
		defer w.disk.mu.Unlock()
		w.mustBeOwn(relayID, "cannot be overwritten, and a token is minted")
	}
	return w
}

// mustBeOwn: what a target's place holds is not what another target put there that is one with it
// still; w.disk.mu is held.
func (w *shared) mustBeOwn(target, what string) {
	place := w.disk.key(target)
	last, written := w.writer[place]
	for _, p := range w.plans {
		if other := p.Targets[0].Target; written && other == last && other != target && w.disk.key(other) == place {
			w.broken = append(w.broken, fmt.Sprintf("what %s delivered %s by %s", last[30:], what, target[30:]))
		}
	}
}

// place says where a slot's target leads. What it leaves behind where it led before is nobody's: when it comes back
// before anybody has looked, the place is of who looks first.
func (w *shared) place(i int, place string) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	target := w.plans[i].Targets[0].Target
	if before := w.disk.places[target]; before != place && w.writer[before] == target {
		delete(w.writer, before)
	}
	w.disk.places[target] = place
}

func (w *shared) wipe() {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	clear(w.disk.held)
	clear(w.writer)
}

func (w *shared) restart() {
	w.kill()
	w.fleet.start()
	synctest.Wait()
}

func (w *shared) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (w *shared) ask(i int) {
	_, _ = w.engine.Rotate(w.t.Context(), w.plans[i].Relay, string(moq.Subscribe), "a test", false)
	w.wait(10 * time.Second)
}

func (w *shared) status(i int) slot.Status {
	s, _ := w.engine.StatusOf(w.plans[i].Relay, string(moq.Subscribe))
	return s
}

// mustBe demands that exactly one slot is right and the others wait, with an error that names both.
func (w *shared) mustBe(right int) {
	w.t.Helper()
	for i := range w.plans {
		s := w.status(i)
		if i == right {
			if s.Failure != nil || s.LastRotation.IsZero() {
				w.t.Errorf("slot %d, whose place it is, fails: %+v", i, s.Failure)
			}
			continue
		}
		if s.Failure == nil || s.Failure.Stage != slot.StagePreflight || s.Failure.Reason != "foreign" {
			w.t.Errorf("slot %d, whose place it is not: %+v", i, s.Failure)
			continue
		}
		for _, name := range []string{w.plans[0].Slot(), w.plans[1].Slot(), w.plans[0].Targets[0].Target, w.plans[1].Targets[0].Target} {
			if !contains(s.Failure.Message, name) {
				w.t.Errorf("%q does not name %s", s.Failure.Message, name)
			}
		}
	}
	for _, b := range w.broken {
		w.t.Error(b)
	}
}

// minted is how many tokens were made for a slot.
func (w *shared) minted(i int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.tokens[w.plans[i].Key.RelayID])
}

func TestOfTwoSlotsWhoseTargetsAreOnePlaceOneGoesOn(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newShared(t, strategy, 2)
				w.fleet.start()
				w.wait(time.Hour)
				right := 0
				if w.status(0).Failure != nil {
					right = 1
				}
				w.mustBe(right)
				for range 3 {
					w.wait(day)
					w.restart()
					w.mustBe(right)
				}
				if n := w.minted(1 - right); n > 0 {
					t.Errorf("%d tokens were minted for the slot that cannot be delivered", n)
				}

				w.place(1-right, "another")
				w.wait(time.Hour)
				if f := w.status(1 - right).Failure; f != nil {
					t.Errorf("it has a place of its own by now, and fails: %+v", f)
				}
			})
		})
	}
}

func TestAPlaceIsFreeOnceItsSlotLeavesIt(t *testing.T) {
	for name, leave := range map[string]func(w *shared, right int){
		"for another target": func(w *shared, right int) {
			p := copyOf(w.plans[right])
			p.Targets[0].Target, p.Targets[0].Location = "elsewhere", "file://disk/elsewhere"
			w.plans[right] = p
		},
		"with the configuration": func(w *shared, right int) { w.plans = slices.Delete(w.plans, right, right+1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newShared(t, moq.Overlap, 2)
				w.fleet.start()
				w.wait(time.Hour)
				right := 0
				if w.status(0).Failure != nil {
					right = 1
				}
				relay := w.plans[1-right].Relay
				leave(w, right)
				w.configure()
				w.wipe() // what it left there would be somebody else's
				w.wait(time.Hour)
				s, _ := w.engine.StatusOf(relay, string(moq.Subscribe))
				if s.Failure != nil || s.LastRotation.IsZero() {
					t.Errorf("the other slot: %+v", s.Failure)
				}
			})
		})
	}
}

// What each slot delivered, and when, is all that tells whose a place is; a new process knows nothing of
// where targets lead. Whatever is looked at first, the slot that delivered last goes on.
func TestAfterARestartThePlaceIsOfWhoDeliveredLast(t *testing.T) {
	for _, wiped := range []bool{false, true} {
		for first := range 2 {
			t.Run(fmt.Sprintf("slot %d delivered first, wiped %t", first, wiped), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newShared(t, moq.Overlap, 2)
					w.place(0, "its own")
					w.place(1, "its own, too")
					w.fleet.start()
					w.wait(time.Hour)
					w.place(0, "one")
					w.ask(first)
					w.place(1, "one")
					w.disk.mu.Lock()
					for i := range 2 { // as before slots were told apart
						w.disk.places[w.plans[i].Targets[0].Target] = fmt.Sprint(i)
					}
					w.disk.mu.Unlock()
					w.ask(first)
					w.ask(1 - first)
					w.disk.mu.Lock()
					w.disk.held["one"], w.writer["one"] = w.disk.held[fmt.Sprint(1-first)], w.plans[1-first].Targets[0].Target
					w.disk.mu.Unlock()
					w.place(0, "one")
					w.place(1, "one")
					if wiped {
						w.wipe()
					}
					w.restart()
					w.ask(first)
					w.ask(1 - first)
					w.wait(time.Hour)
					w.mustBe(1 - first)
				})
			})
		}
	}
}

// A slot may deliver elsewhere later, and then have its path led to another's place.
func TestAPlaceIsOfTheSlotWhoseTokenItHolds(t *testing.T) {
	for moved := range 2 {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("slot %d moves, restart %t", moved, restarts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newShared(t, moq.Overlap, 2)
					for _, p := range w.plans {
						p.Targets[0].Adopt = true
					}
					w.place(moved, "another")
					w.fleet.start()
					w.wait(time.Hour)
					w.ask(moved)
					w.place(moved, "one")
					if restarts {
						w.restart()
					}
					w.ask(moved)
					w.wait(time.Hour)
					w.ask(1 - moved)
					w.mustBe(1 - moved)
				})
			})
		}
	}
}

func TestASlotWithATokenOnItsWayKeepsItsPlace(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restarts), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newShared(t, moq.Overlap, 2)
				w.place(1, "another")
				w.fleet.start()
				w.wait(time.Hour)
				w.ask(1) // it delivered later
				w.disk.fails(0, busyFor(0))
				w.ask(0)
				w.place(1, "one")
				w.wipe()
				if restarts {
					w.restart()
				}
				w.ask(1)
				before := w.minted(1)
				w.disk.fails(0, nil)
				w.wait(time.Hour)
				w.mustBe(0)
				if n := w.minted(1); n != before {
					t.Errorf("%d tokens were minted for the other slot", n-before)
				}
			})
		})
	}
}

// A token that was on its way when the process died does not go where another's was led meanwhile.
func TestAResumedDeliveryDoesNotTakeAnotherSlotsPlace(t *testing.T) {
	for moved := range 2 {
		for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
			t.Run(fmt.Sprintf("slot %d, %s", moved, strategy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newShared(t, strategy, 2)
					w.place(moved, "another")
					w.fleet.start()
					w.wait(time.Hour)
					w.disk.fails(0, busyFor(0))
					w.ask(moved)
					w.kill()
					w.disk.fails(0, nil)
					w.place(moved, "one")
					w.restart()
					w.ask(1 - moved)
					w.wait(time.Hour)
					if f := w.status(1 - moved).Failure; f != nil || len(w.broken) > 0 {
						t.Errorf("the slot whose place it is: %+v; %q", f, w.broken)
					}
					if f := w.status(moved).Failure; f == nil || f.Reason != "foreign" {
						t.Errorf("the other: %+v", f)
					}
				})
			})
		}
	}
}

// The process died between a write and the knowledge of it: what is there is in no receipt.
func TestAPlaceIsOfTheSlotThatHadJustWrittenThere(t *testing.T) {
	for first := range 2 {
		t.Run(fmt.Sprintf("slot %d", first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newShared(t, moq.Overlap, 2)
				w.place(1-first, "another")
				w.fleet.start()
				w.wait(time.Hour)
				w.disk.fails(0, busyFor(0))
				w.ask(first)
				w.ask(1 - first)
				w.kill()
				tokens := w.tokens[w.plans[first].Key.RelayID]
				w.disk.held["one"] = tokens[len(tokens)-1].Value.Reveal()
				w.disk.fails(0, nil)
				w.place(1-first, "one")
				w.fleet.start()
				w.wait(time.Hour)
				if f := w.status(first).Failure; f != nil || len(w.broken) > 0 {
					t.Errorf("the slot whose place it is: %+v; %q", f, w.broken)
				}
			})
		})
	}
}

func TestAPlaceIsNotTakenFromASlotThatIsAboutToMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newShared(t, moq.Overlap, 2)
		w.place(1, "another")
		w.fleet.start()
		w.wait(time.Hour)
		w.ask(1) // it delivered later
		w.wipe()
		w.place(1, "one")
		claim := func(i int) error {
			p := w.plans[i]
			return w.engine.slots.workerOf(p.Key).claimPlace(w.disk, p.Targets[0], minting, sinks.Holding{Known: true})
		}
		if err := claim(0); err != nil {
			t.Fatal(err)
		}
		if err := claim(1); err == nil {
			t.Error("the place is another's though its slot may mint any moment")
		}
		w.wait(2*slot.FreshFor + time.Second)
		if err := claim(1); err != nil {
			t.Errorf("it is never another's: %v", err)
		}
	})
}

// Two sinks of one slot may lead to one file as long as they agree on what it holds.
func TestTwoTargetsOfASlotThatAreOnePlaceMustAgree(t *testing.T) {
	for _, agree := range []bool{true, false} {
		t.Run(fmt.Sprint(agree), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newShared(t, moq.Overlap, 1)
				w.disk.onWrite = nil
				second := newStore()
				second.places, second.held = map[string]string{"again": "one"}, w.disk.held
				if !agree {
					second.suffix = "\n"
				}
				w.stores["second"] = second
				p := copyOf(w.plans[0])
				p.Targets = append(p.Targets, slot.Target{Sink: "second", Target: "again", Location: "file://second/again", Required: true})
				w.plans[0] = p
				w.fleet.start()
				w.wait(time.Hour)
				s := w.status(0)
				if agree != (s.Failure == nil) || !agree && (s.Failure.Stage != slot.StagePreflight || s.Failure.Reason != "invalid") {
					t.Errorf("failure %+v", s.Failure)
				}
			})
		})
	}
}

// An optional target holds up no rotation of its slot, and does not get its token where another slot's is.
func TestAnOptionalTargetDoesNotTakeAnotherSlotsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newShared(t, moq.Overlap, 2)
		second := copyOf(w.plans[1])
		second.Targets = append(second.Targets, slot.Target{Sink: "disk", Target: "aside", Location: "file://disk/aside", Adopt: true})
		w.plans[1] = second
		w.place(1, "its own")
		w.disk.places["aside"] = "one"
		w.disk.onWrite = func(target string) {
			if w.disk.key(target) == "one" && w.writer["one"] != "" && w.writer["one"] != target {
				t.Errorf("%s overwrites %s", target, w.writer["one"])
			}
			w.writer[w.disk.key(target)] = target
		}
		w.fleet.start()
		w.wait(time.Hour)
		for range 2 {
			w.ask(0)
			w.ask(1)
		}
		if f := w.status(1).Failure; f != nil {
			t.Errorf("the slot waits for its optional target: %+v", f)
		}
		if e := w.status(0).Sinks[0].Error + w.status(1).Sinks[1].Error; !contains(e, "the same place") {
			t.Errorf("nobody is told: %q", e)
		}
	})
}

// A folder that is yet to be made has no place: the first write makes one. Who is about to mint at that moment has
// looked already, and is refused at the write; so the second begins when the first is done.
func TestAPlaceThatTheFirstWriteMakesIsKnownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newShared(t, moq.Overlap, 2)
		for _, p := range w.plans {
			p.Targets[0].Adopt = true
			p.Policy.Initial = slot.InitialSchedule
		}
		check := w.disk.onWrite
		w.disk.onWrite = func(target string) {
			for _, p := range w.plans {
				w.disk.places[p.Targets[0].Target] = "made"
			}
			check(target)
		}
		w.fleet.start()
		w.wait(time.Hour)
		w.ask(0)
		w.ask(1)
		w.mustBe(0)
	})
}

// No combination of what may happen to two slots of one place lets one overwrite the other.
func TestNoCombinationOfEventsLetsASlotOverwriteAnothersPlace(t *testing.T) {
	events := []struct {
		name string
		do   func(*shared)
	}{
		{"ask the first", func(w *shared) { w.ask(0) }},
		{"ask the second", func(w *shared) { w.ask(1) }},
		{"restart", func(w *shared) { w.restart() }},
		{"no writes", func(w *shared) { w.disk.fails(0, busyFor(0)) }},
		{"writes", func(w *shared) { w.disk.fails(0, nil) }},
		{"wipe", func(w *shared) { w.wipe() }},
		{"part", func(w *shared) { w.place(1, "another") }},
		{"join", func(w *shared) { w.place(1, "one") }},
		{"a day", func(w *shared) { w.wait(day) }},
	}
	tell := func(t *testing.T, strategy moq.Strategy, script []int) {
		synctest.Test(t, func(t *testing.T) {
			w := newShared(t, strategy, 3)
			w.place(2, "its own")
			for _, p := range w.plans {
				p.Targets[0].Adopt = true // what is foreign does not help
			}
			w.fleet.start()
			defer w.kill()
			w.wait(time.Minute)
			var told []string
			for _, i := range script {
				events[i].do(w)
				told = append(told, events[i].name)
			}
			w.disk.fails(0, nil)
			w.wait(time.Hour)
			if len(w.broken) > 0 {
				t.Fatalf("%s %q: %q", strategy, told, w.broken)
			}
			if f := w.status(2).Failure; f != nil {
				t.Fatalf("%s %q: the slot with a place of its own fails: %+v", strategy, told, f)
			}
		})
	}
	tellEvents(t, len(events), 1, 10, tell)
}

// tellEvents tells every two of n events in a row, and random walks of so many steps, for each strategy.
func tellEvents(t *testing.T, n int, stream uint64, steps int, tell func(*testing.T, moq.Strategy, []int)) {
	seed := cmp.Or(*exploreSeed, rand.Uint64())
	t.Logf("random walks with -explore.seed=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, stream))
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		for i := range n * n {
			tell(t, strategy, []int{i % n, i / n})
		}
		for range *exploreWalks / 4 {
			script := make([]int, steps)
			for i := range script {
				script[i] = rnd.IntN(n)
			}
			tell(t, strategy, script)
		}
	}
}
