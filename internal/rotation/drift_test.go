package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestAWipedOrOverwrittenSinkIsFilledAgainThoughTheSlotHasThreeTokens(t *testing.T) {
	for _, content := range []string{"", "somebody else's"} {
		w := newWorld(t, moq.Overlap, 2)
		w.start()
		w.run(time.Minute)
		w.ask(false)
		w.ask(false)
		w.sinks["sink1"].replace(content)
		w.run(7 * time.Hour)
		w.mustHold("value-4")
		w.run(2 * time.Hour)
		w.atRest()
		w.mustBeSound()
	}
}

func TestANewTargetIsServedThoughTheSlotHasThreeTokens(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.ask(false)
	w.ask(false)
	w.addSink("new", true)
	w.configure()
	w.run(59 * time.Minute)
	if got := w.sinks["new"].content; got != "" {
		t.Errorf("the new target holds %q before a grace has ended", got)
	}
	w.run(2 * time.Minute)
	w.mustHold("value-4")
	w.mustBeSound()
}

func TestAnOldTokenThatASinkWentBackToIsKeptThoughTheSlotHasThree(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.ask(false)
	w.ask(false)
	w.sinks["sink0"].replace("value-1")
	w.run(3 * time.Hour)
	if !w.relay.accepts("value-1") {
		t.Error("the token that the sink serves was revoked")
	}
	w.mustBeSound()
}

// once chooses an outcome for the next call of a kind; the others go well.
func once(kind callKind, outcome string) func(choice) int {
	return func(c choice) int {
		if c.kind != kind {
			return 0
		}
		kind = callKinds
		return c.mustFind(outcome)
	}
}

func TestDriftMakesAnOverlapSlotDueOnceAPeriod(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(time.Hour)
	for range 3 {
		w.sinks["sink1"].replace("tampered")
		w.run(7 * time.Hour)
	}
	if w.relay.creates != 2 {
		t.Errorf("%d tokens were minted in the period, want 2: the first and one for the drift", w.relay.creates)
	}
	if w.stats.drifts != 2 {
		t.Errorf("drift was reported %d times, want 2: it lasted since the second", w.stats.drifts)
	}
	w.run(5 * time.Hour)
	w.mustHold("value-3")
}

func TestDriftOfOneSinkLeavesAnInPlaceSlotAlone(t *testing.T) {
	w := newWorld(t, moq.InPlace, 2)
	w.start()
	w.run(time.Hour)
	w.sinks["sink1"].replace("")
	w.run(8 * time.Hour)
	if w.relay.rotates != 1 {
		t.Error("the token that sink0 serves was killed")
	}
	w.sinks["sink0"].replace("")
	w.run(8 * time.Hour)
	w.mustHold("value-2")
}

func TestSomebodyElsesContentIsNotOverwritten(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.sinks["sink1"].content = "hand-made"
	w.start()
	w.run(time.Hour)
	s := w.status()
	if s.Failure == nil || s.Failure.Reason != "foreign" || w.relay.creates != 0 {
		t.Fatalf("status is %+v, want a refusal before any mint", s)
	}
	w.change(func(p *slot.Plan) { p.Targets[1].Adopt = true })
	w.run(10 * time.Minute)
	w.mustHold("value-1")
}
