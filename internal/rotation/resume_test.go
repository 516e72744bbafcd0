package rotation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// inPlaces is a fleet whose targets are places of their own in a store that may be read.
func inPlaces(t *testing.T, st moq.Strategy, n int) (*fleet, *store) {
	f := newFleet(t, st, n, "disk")
	d := f.stores["disk"]
	d.reads, d.places = true, map[string]string{}
	for _, p := range f.plans {
		d.places[p.Targets[0].Target] = "place of " + p.Targets[0].Target
	}
	return f, d
}

// kills ends the process in the middle of a delivery of slot n, and lets its backoff pass.
func (f *fleet) killsInDelivery(t *testing.T, d *store, n int) {
	t.Helper()
	d.fails(0, busyFor(0))
	if _, err := f.engine.Rotate(t.Context(), f.plans[n].Relay, string(moq.Subscribe), "a test", false); err != nil {
		t.Fatal(err)
	}
	<-time.After(10050 * time.Millisecond)
	f.kill()
	d.fails(0, nil)
	<-time.After(6 * time.Minute)
}

func (s *store) wipe(targets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, target := range targets {
		delete(s.held, "place of "+target)
	}
}

func (s *store) holdsAt(target string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.held["place of "+target]
	return ok
}

func (s *store) heldAgain(target string, within time.Duration) bool {
	for began := time.Now(); time.Since(began) <= within; <-time.After(time.Second) {
		if s.holdsAt(target) {
			return true
		}
	}
	return false
}

func TestWhoWaitsForPlacesIsNotTakenForDone(t *testing.T) {
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			f, d := inPlaces(t, moq.Overlap, 300)
			f.start()
			<-time.After(time.Hour)
			f.killsInDelivery(t, d, 0)
			target := f.plans[0].Targets[0].Target
			d.wipe(target)
			f.start()
			f.engine.Quiesce(t.Context())
			if !d.holdsAt(target) {
				t.Error("the pending value was left where it was")
			}
			f.kill()
			synctest.Wait()
		})
	}
}

func TestNobodyHoldsAPlaceInTheBudgetWhileItWaitsForPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := inPlaces(t, moq.Overlap, 50)
		f.start()
		<-time.After(time.Hour)
		f.kill()
		for _, p := range f.plans {
			d.wipe(p.Targets[0].Target)
		}
		f.start()
		f.engine.uninspected.Add(1) // one more, which hangs
		<-time.After(30 * time.Second)
		synctest.Wait()
		for _, s := range f.engine.slots.allWorkers() {
			s.mu.Lock()
			if s.notes.isUnderway() {
				t.Error("a slot holds a reservation")
			}
			s.mu.Unlock()
		}
		f.kill()
		synctest.Wait()
	})
}

func TestABlackoutWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := inPlaces(t, moq.InPlace, 2)
		f.account.reads = true
		f.start()
		<-time.After(time.Hour)
		f.account.fails(0, fault.Newf(fault.Ambiguous, fault.Timeout, "rotate", "", "lost"))
		_, _ = f.engine.Rotate(t.Context(), f.plans[1].Relay, string(moq.Subscribe), "a test", false)
		<-time.After(5 * time.Second)
		f.account.fails(0, nil)
		f.killsInDelivery(t, d, 0)
		target := f.plans[0].Targets[0].Target
		d.wipe(target)
		f.start()
		f.engine.uninspected.Add(1) // one that hangs
		if !d.heldAgain(target, 10*time.Second) {
			t.Error("the consumers are still locked out")
		}
		f.kill()
		synctest.Wait()
	})
}

func TestALookAtSomeTargetsIsNoneAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := inPlaces(t, moq.Overlap, 1)
		second := newStore()
		second.reads = true
		f.stores["second"] = second
		p := copyOf(f.plans[0])
		p.Targets = append(p.Targets, slot.Target{Sink: "second", Target: "again", Location: "file://second/again", Required: true})
		f.plans[0] = p
		f.start()
		<-time.After(time.Hour)
		f.killsInDelivery(t, second, 0)
		d.wipe(p.Targets[0].Target)
		f.start()
		if !d.heldAgain(p.Targets[0].Target, 5*time.Minute) {
			t.Error("a target that was wiped meanwhile is not looked at")
		}
		f.kill()
		synctest.Wait()
	})
}

func TestASlotThatLeavesTheConfigurationDuringAPassEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := inPlaces(t, moq.Overlap, 1)
		f.start()
		<-time.After(time.Hour)
		p := f.plans[0]
		s := f.engine.slots.workerOf(p.Key)
		aside := p.Targets[0]
		aside.Required = false
		f.plans = nil
		f.configure() // between a decision and its step
		for _, target := range []slot.Target{aside, p.Targets[0]} {
			s.inspect(slot.Inspect{Targets: []slot.Target{target}, Depth: slot.DepthTrial})
		}
		synctest.Wait()
		f.kill()
		synctest.Wait()
	})
}

// A write that was not acknowledged may have been carried out: what it left there is ours, too.
func TestWhatAnUnacknowledgedWriteLeftIsOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := inPlaces(t, moq.Overlap, 1)
		f.start()
		<-time.After(time.Hour)
		s, target := f.engine.slots.workerOf(f.plans[0].Key), f.plans[0].Targets[0]
		d.fails(0, busyFor(0))
		_, _ = f.engine.Rotate(t.Context(), f.plans[0].Relay, string(moq.Subscribe), "a test", false)
		<-time.After(10050 * time.Millisecond)
		rec, _, err := s.recordToDeliver()
		if err != nil {
			t.Fatal(err)
		}
		pending, _ := d.Render(rec)
		ours := s.recognisesOurs(target)
		if !ours(pending) || !ours(secret.New(d.held["place of "+target.Target])) || ours(secret.New("a stranger's")) {
			t.Error("what may be there is not recognised, or what cannot be is")
		}
		f.kill()
		synctest.Wait()
	})
}

func TestATokenOfAMintThatACrashCutOffIsFoundUnderTheNameThatMadeIt(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.crashes, w.choose = 1, func(c choice) int {
		if c.kind == createCall && c.number == 2 {
			w.names = append(w.names, "renamed")
			return c.mustFind("process dies after")
		}
		return 0
	}
	w.start()
	w.run(24*time.Hour + 10*time.Minute)
	if _, lives := w.relay.byID(fmt.Sprintf("%032x", 2)); lives || w.engine.Instance != "renamed" {
		t.Errorf("the token of the lost mint is still there: %s", w.describe())
	}
	w.mustBeSound()
}
