package rotation

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// handover is a fleet of two slots whose places change hands, without `existing: adopt`.
type handover struct {
	*fleet
	disk *store
}

func newHandover(t *testing.T, strategy moq.Strategy) *handover {
	h := &handover{fleet: newFleet(t, strategy, 2, "disk")}
	h.disk = h.stores["disk"]
	h.disk.reads = true
	for i, p := range h.plans {
		h.lead(i, fmt.Sprintf("path%d", i))
		policy := *p.Policy
		policy.Initial, policy.ProbeInterval = slot.InitialNow, time.Hour
		h.plans[i].Policy = &policy
	}
	return h
}

// lead gives a slot another path.
func (h *handover) lead(i int, path string) {
	p := copyOf(h.plans[i])
	p.Targets[0].Target, p.Targets[0].Location = path, "file://disk/"+path
	h.plans[i] = p
}

func (h *handover) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (h *handover) ask(i int) {
	_, _ = h.engine.Rotate(h.t.Context(), h.plans[i].Relay, string(moq.Subscribe), "a test", false)
	h.wait(10 * time.Second)
}

// exchange has the two relays exchange their names, and so their paths.
func (h *handover) exchange() {
	one, two := h.plans[0].Targets[0].Target, h.plans[1].Targets[0].Target
	h.lead(0, two)
	h.lead(1, one)
	names := [2]string{h.plans[0].Relay, h.plans[1].Relay}
	h.plans[0].Relay, h.plans[1].Relay = names[1], names[0]
	h.configure()
	h.wait(time.Second)
}

// anew has the first relay be deleted and made anew: it has another id, and all else is as it was.
func (h *handover) anew() {
	p := copyOf(h.plans[0])
	p.Key.RelayID = fmt.Sprintf("%031xf", len(h.tokens)+1)
	h.plans[0] = p
	h.configure()
	h.wait(time.Second)
}

func (h *handover) restart() {
	h.kill()
	synctest.Wait()
	h.fleet.start()
	h.wait(time.Second)
}

// wrong says what is not right at rest: each place holds the token of the slot that has it now.
func (h *handover) wrong() (out []string) {
	for _, p := range h.plans {
		s, _ := h.engine.StatusOf(p.Relay, string(moq.Subscribe))
		if s.Failure != nil {
			out = append(out, fmt.Sprintf("%s fails: %s", p.Relay, s.Failure.Message))
		}
		held := h.disk.held[p.Targets[0].Target]
		mine := slices.ContainsFunc(h.tokens[p.Key.RelayID], func(t moq.Token) bool { return t.Value.Reveal() == held })
		if !mine && h.inPlace[p.Key.RelayID] != held {
			out = append(out, fmt.Sprintf("%s holds %q, none of relay %s", p.Targets[0].Target, held, p.Key.RelayID))
		}
	}
	return out
}

func TestAPlaceThatChangesHandsIsTakenOver(t *testing.T) {
	for name, change := range map[string]func(*handover){
		"the relay is made anew":      (*handover).anew,
		"two relays exchange names":   (*handover).exchange,
		"in a delivery, an exchange":  func(h *handover) { h.disk.fails(0, busyFor(0)); h.ask(0); h.ask(1); h.exchange() },
		"in a delivery, made anew":    func(h *handover) { h.disk.fails(0, busyFor(0)); h.ask(0); h.anew() },
		"there and back":              func(h *handover) { h.exchange(); h.wait(2 * day); h.exchange() },
		"exchanged while it was down": func(h *handover) { h.kill(); h.exchangeDown() },
		"after a path was left for long": func(h *handover) {
			h.lead(0, "aside")
			h.configure()
			h.wait(60 * day)
			h.lead(0, "path0")
			h.configure()
		},
	} {
		for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
			t.Run(fmt.Sprintf("%s, %s", name, strategy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHandover(t, strategy)
					h.fleet.start()
					h.wait(time.Hour)
					change(h)
					h.disk.fails(0, nil)
					h.wait(2 * day)
					if wrong := h.wrong(); len(wrong) > 0 {
						t.Error(wrong)
					}
					h.kill()
					synctest.Wait()
				})
			})
		}
	}
}

// exchangeDown exchanges the relays' names while no process runs.
func (h *handover) exchangeDown() {
	synctest.Wait()
	h.lead(0, "path1")
	h.lead(1, "path0")
	h.fleet.start()
}

// What somebody else put where a former slot had delivered is foreign.
func TestAPlaceThatAFormerSlotDeliveredToAndThatHoldsSomethingElseIsForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandover(t, moq.Overlap)
		h.fleet.start()
		h.wait(time.Hour)
		h.disk.held["path0"] = "somebody else's"
		h.anew()
		h.wait(time.Hour)
		s, _ := h.engine.StatusOf(h.plans[0].Relay, string(moq.Subscribe))
		if s.Failure == nil || s.Failure.Reason != "foreign" || h.disk.held["path0"] != "somebody else's" {
			t.Errorf("%+v; it holds %q", s.Failure, h.disk.held["path0"])
		}
		h.kill()
		synctest.Wait()
	})
}

// A token that the former owner left at a place may still be read by somebody: it is left to expire.
func TestTheTokensOfAFormerOwnerAreLeftToExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandover(t, moq.Overlap)
		h.fleet.start()
		h.wait(time.Hour)
		first, second := h.plans[0].Key.RelayID, h.plans[1].Key.RelayID
		h.ask(0) // one in its grace
		h.exchange()
		h.wait(2 * day)
		for _, relay := range []string{first, second} {
			if !slices.ContainsFunc(h.tokens[relay], func(t moq.Token) bool {
				return t.Value.Reveal() == "value-1" || t.Value.Reveal() == "value-2" || t.Value.Reveal() == "value-3"
			}) {
				t.Errorf("of %s there are %d tokens, none of those that it had before", relay, len(h.tokens[relay]))
			}
		}
		h.kill()
		synctest.Wait()
	})
}

// The former owner's write in flight ends before the new owner's begins, and the former owner writes there no more.
func TestAPlaceIsWrittenByOneSlotAtATimeAndByItsFormerOwnerNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandover(t, moq.Overlap)
		h.fleet.start()
		h.wait(time.Hour)
		former, target := h.engine.slots.workerOf(h.plans[0].Key), h.plans[0].Targets[0]
		rec, _, err := former.recordToDeliver()
		if err == nil {
			t.Fatal("a value is still kept")
		}
		leave := h.engine.gates.enter(target.Location) // a write of the former owner
		h.anew()
		h.wait(time.Minute)
		if held := h.disk.held[target.Target]; held != "value-1" && held != "value-2" {
			t.Errorf("the place is written to meanwhile: %q", held)
		}
		leave()
		h.wait(time.Minute)
		if d := former.write(target, rec, false); d.err == nil {
			t.Error("the former owner writes to the place")
		}
		if wrong := h.wrong(); len(wrong) > 0 {
			t.Error(wrong)
		}
		h.kill()
		synctest.Wait()
	})
}

// No combination of what may happen while places change hands leaves a consumer with another relay's token, or a dead one.
func TestNoCombinationOfEventsLosesAPlaceThatChangesHands(t *testing.T) {
	events := []struct {
		name string
		do   func(*handover)
	}{
		{"ask the first", func(h *handover) { h.ask(0) }},
		{"ask the second", func(h *handover) { h.ask(1) }},
		{"exchange", (*handover).exchange},
		{"made anew", (*handover).anew},
		{"restart", (*handover).restart},
		{"no writes", func(h *handover) { h.disk.fails(0, busyFor(0)) }},
		{"writes", func(h *handover) { h.disk.fails(0, nil) }},
		{"a day", func(h *handover) { h.wait(day) }},
	}
	tell := func(t *testing.T, strategy moq.Strategy, script []int) {
		synctest.Test(t, func(t *testing.T) {
			h := newHandover(t, strategy)
			h.fleet.start()
			h.wait(time.Minute)
			var told []string
			for _, i := range script {
				events[i].do(h)
				told = append(told, events[i].name)
			}
			h.disk.fails(0, nil)
			h.wait(2 * day)
			if wrong := h.wrong(); len(wrong) > 0 {
				t.Errorf("%s %q: %q", strategy, told, wrong)
			}
			h.kill()
			synctest.Wait()
		})
	}
	tellEvents(t, len(events), 2, 8, tell)
}
