package rotation

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// heard is a world whose log is kept.
func heard(t *testing.T, strategy moq.Strategy, n int) (*world, func(message string) int) {
	t.Helper()
	w := newWorld(t, strategy, n)
	core, logs := observer.New(zap.InfoLevel)
	w.log = zap.New(core)
	return w, func(message string) int { return logs.FilterMessage(message).Len() }
}

func (d *fakeDisk) count(kind slot.EventKind) (n int) {
	for _, e := range d.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func TestASecondDriftOfAPeriodIsToldLikeTheFirst(t *testing.T) {
	w, lines := heard(t, moq.Overlap, 2)
	w.start()
	w.run(time.Hour)
	for n := 1; n <= 2; n++ {
		w.sinks["sink1"].replace("")
		w.run(90 * time.Minute)
		if got := lines("a target is not as it was delivered"); got != n || w.disk.count(slot.EventDrifted) != n || w.stats.drifts != n {
			t.Errorf("after drift %d: %d lines, %d events, counted %d", n, got, w.disk.count(slot.EventDrifted), w.stats.drifts)
		}
	}
	if w.relay.creates != 2 {
		t.Errorf("%d tokens were minted in the period, want 2", w.relay.creates)
	}
	if got := lines("a target is well again"); got != 1 {
		t.Errorf("the first was said to be well again %d times", got)
	}
}

func TestWhatIsWrongWithATargetStaysKnownWhileTheSlotRests(t *testing.T) {
	w, lines := heard(t, moq.Overlap, 1)
	w.start()
	w.run(time.Hour)
	w.sinks["sink0"].replace("tampered")
	w.run(2 * time.Hour)
	w.sinks["sink0"].replace("")
	w.run(6 * time.Hour)
	st := w.status()
	if s := st.Sinks[0]; s.State != slot.TargetMissing || st.UnhealthyTargets() != 1 || s.Since.IsZero() || s.Repair == "" {
		t.Errorf("the target is %+v", s)
	}
	if got := lines("a target is still not well"); got != 5 || w.stats.drifts != 2 {
		t.Errorf("at five of six probes it was as at the one before, and that was told %d times; %d drifts", got, w.stats.drifts)
	}
	w.run(24 * time.Hour)
	if s := w.status().Sinks[0]; s.State != slot.TargetOK || !s.Since.IsZero() {
		t.Errorf("repaired at the next run, the target is %+v", s)
	}
	if w.engine.slots.workerOf(testKey).notes != nil {
		t.Error("notes are kept of a slot at rest whose targets are well")
	}
}

// A probe goes less deep than the trial that found the target unusable: the reason is the trial's.
func TestWhyATargetIsNotWellIsNamedEachTimeItIsTold(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	core, logs := observer.New(zap.WarnLevel)
	w.log = zap.New(core)
	w.start()
	w.run(time.Hour)
	one := w.engine.slots.allWorkers()[0]
	for _, l := range []slot.Inspection{
		{At: w.now, Depth: slot.DepthTrial, Err: fault.Newf(fault.Permanent, fault.Unauthorized, "write", "sink0", "may not be written")},
		{At: w.now, Depth: slot.DepthProbe},
	} {
		var changed []healthChange
		one.locked(func() { changed = one.noteInspection(w.plan.Targets[0], l) })
		one.tellHealth(changed)
	}
	for _, line := range logs.All() {
		if !contains(fmt.Sprint(line.ContextMap()["error"]), "may not be written") {
			t.Errorf("%s: %v", line.Message, line.ContextMap())
		}
	}
	if logs.Len() != 2 {
		t.Errorf("%d lines", logs.Len())
	}
}

func TestATargetIsIllSinceNoLaterThanNowThoughTheClockIsSetBack(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	core, logs := observer.New(zap.InfoLevel)
	w.log = zap.New(core)
	w.start()
	w.run(time.Hour)
	w.sinks["sink0"].down = true
	w.run(2 * time.Hour)
	w.step(-4 * time.Hour)
	w.run(time.Second)
	if since := w.status().Sinks[0].Since; since.IsZero() || since.After(w.now) {
		t.Errorf("it is ill since %s, and it is %s", since, w.now)
	}
	w.sinks["sink0"].down = false
	w.run(2 * time.Hour)
	well := logs.FilterMessage("a target is well again").All()
	if len(well) != 1 || well[0].ContextMap()["lasted"].(time.Duration) < 0 {
		t.Errorf("told: %v", well)
	}
}

func TestAStoreThatIsDownAndOneThatRefusesAreToldApart(t *testing.T) {
	for want, reason := range map[slot.TargetState]fault.Reason{slot.TargetUnknown: fault.Unreachable, slot.TargetUnusable: fault.Unauthorized} {
		w, lines := heard(t, moq.Overlap, 1)
		w.addSink("optional", false)
		w.start()
		w.run(time.Hour)
		for _, s := range w.sinks {
			s.down, s.refuses = true, reason == fault.Unauthorized
		}
		w.run(3 * time.Hour)
		for _, s := range w.status().Sinks {
			if s.State != want || s.Error == "" {
				t.Errorf("%s: the target is %+v", reason, s)
			}
		}
		for _, s := range w.sinks {
			s.down, s.refuses = false, false
		}
		w.run(2 * time.Hour)
		ill := func(s slot.TargetStatus) bool { return s.State != slot.TargetOK }
		if slices.ContainsFunc(w.status().Sinks, ill) || lines("a target is not well any more") != 2 || lines("a target is well again") != 2 {
			t.Errorf("%s: %d lines when it began, %d when it ended", reason, lines("a target is not well any more"), lines("a target is well again"))
		}
	}
}

// Before the first look nobody knows how a target was: that it was well would be made up.
func TestATargetThatWasNeverSeenWellIsNotSaidToBeSoNoMore(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	core, logs := observer.New(zap.InfoLevel)
	w.log = zap.New(core)
	w.sinks["sink0"].down, w.sinks["sink0"].refuses = true, true
	w.start()
	w.run(time.Minute)
	if n := logs.FilterMessage("a target is not well any more").Len(); n != 0 {
		t.Errorf("it is said to have been well %d times", n)
	}
	if told := logs.FilterMessage("a target is not well").All(); len(told) != 1 || told[0].ContextMap()["before"] != nil {
		t.Errorf("told: %v", told)
	}
}

func TestOneStaleAnswerOfAStandbyBurnsNoToken(t *testing.T) {
	w, lines := heard(t, moq.Overlap, 1)
	s := w.sinks["sink0"]
	s.standby = true
	w.start()
	w.run(25 * time.Hour) // the second rotation is over
	s.lags = w.truth() + time.Hour + lagsFor
	w.run(time.Hour + 5*time.Second)
	if got := w.status().Sinks[0].State; got != slot.TargetOK {
		t.Errorf("after one stale answer the target is %s", got)
	}
	w.run(time.Minute)
	if w.relay.creates != 2 || w.stats.drifts != 0 || lines("a target is not as it was delivered") != 0 {
		t.Errorf("%d tokens, %d drifts", w.relay.creates, w.stats.drifts)
	}
	s.replace("somebody else's")
	w.run(time.Hour + time.Minute)
	if w.relay.creates != 3 || w.stats.drifts != 1 {
		t.Errorf("what two looks agree on: %d tokens, %d drifts", w.relay.creates, w.stats.drifts)
	}
}
