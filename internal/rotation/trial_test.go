package rotation

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

var errTemplate = fault.Newf(fault.Permanent, fault.Invalid, "render", "live/subscribe", "the template fails")

func TestATemplateThatFailsShowsBeforeAMint(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 2)
			w.sinks["sink1"].template = func(sinks.Record) error { return errTemplate }
			w.start()
			w.run(time.Hour)
			if f := w.rec().Failure; f == nil || f.Stage != slot.StagePreflight || f.Reason != "invalid" || w.relay.creates+w.relay.rotates > 0 {
				t.Errorf("failure %+v after %d mints", f, w.relay.creates+w.relay.rotates)
			}
			w.sinks["sink1"].template = nil
			w.run(time.Hour)
			w.mustBeSound()
			if f := w.rec().Failure; f != nil {
				t.Errorf("the template is mended, and the slot fails: %+v", f)
			}
		})
	}
}

// A template sees in a trial what it sees in what is delivered: the same words are empty, the others as long.
func TestATrialIsLikeWhatIsDelivered(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 1)
			var seen []sinks.Record
			w.sinks["sink0"].template = func(r sinks.Record) error { seen = append(seen, r); return nil }
			w.start()
			w.run(50 * time.Hour)
			if len(seen) < 4 {
				t.Fatalf("%d contents were rendered", len(seen))
			}
			trial, delivered := seen[len(seen)-2].Fields(), seen[len(seen)-1].Fields()
			for i := range trial {
				if len(trial[i].Value) != len(delivered[i].Value) {
					t.Errorf("%s has %d characters in a trial and %d in a delivery", trial[i].Key, len(trial[i].Value), len(delivered[i].Value))
				}
			}
			first := seen[0].Token.Reveal()
			parts := strings.Split(first, ".")
			if len(first) != sinks.TrialSize || len(parts) != 3 {
				t.Fatalf("the first trial has %d bytes in %d parts", len(first), len(parts))
			}
			for _, p := range parts {
				if _, err := base64.RawURLEncoding.DecodeString(p); err != nil {
					t.Errorf("%q: %v", p, err)
				}
			}
		})
	}
}

func TestTheLengthOfTheLastValueIsKnownToTheNextTrialAfterARestartToo(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	sink := w.sinks["sink0"]
	w.start()
	w.run(time.Hour)
	w.restart(func() {})
	w.run(24 * time.Hour)
	if n := len(sink.trials); n != 2 {
		t.Fatalf("%d trials, want one a rotation", n)
	}
	first, second := sink.trials[0], sink.trials[1]
	if !first.Guessed || second.Guessed || len(second.Trial.Reveal()) != len("value-1") {
		t.Errorf("the first guessed %t, the second %t with %d bytes", first.Guessed, second.Guessed, len(second.Trial.Reveal()))
	}
}

// What is told is told once a rotation.
func TestWarningsOfATrialAreLoggedOnceARotation(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	core, logs := observer.New(zap.WarnLevel)
	w.log = zap.New(core)
	w.sinks["sink0"].warnings = []string{"the store is odd: look at it"}
	w.start()
	w.run(25 * time.Hour)
	told := logs.FilterMessage("the store is odd: look at it")
	if told.Len() != 2 || told.All()[0].ContextMap()["sink"] != "sink0" {
		t.Errorf("told %d times in two rotations: %v", told.Len(), told.All())
	}
}

func TestATrialOfAnOptionalTargetIsToldAndBlocksNothing(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	core, logs := observer.New(zap.WarnLevel)
	w.log = zap.New(core)
	aside := w.addSink("aside", false)
	aside.template = func(sinks.Record) error { return errTemplate }
	w.start()
	w.run(time.Minute)
	w.mustBeSound()
	if got := w.sinks["sink0"].content; got != "value-1" {
		t.Errorf("the required target holds %q", got)
	}
	told := logs.FilterMessage("an optional target is not fit for the token that comes").All()
	if len(told) != 1 || told[0].ContextMap()["sink"] != "aside" || !strings.Contains(told[0].ContextMap()["error"].(string), errTemplate.Error()) {
		t.Errorf("told %v", told)
	}
	if !errors.Is(w.engine.slots.workerOf(testKey).notes.Errors.At("file://aside/t"), errTemplate) {
		t.Error("its state does not show it")
	}
}
