package rotation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

func (w *world) mustHold(want string) {
	w.t.Helper()
	for _, t := range w.plan.Targets {
		if got := w.sinks[t.Sink].content; got != want {
			w.t.Fatalf("%s holds %q, want %q\n%s", t.Sink, got, want, w.describe())
		}
	}
}

func (w *world) mustBeSound() {
	w.t.Helper()
	for _, b := range w.broken {
		w.t.Error("broken promise", b)
	}
	if w.t.Failed() {
		w.t.Log(w.describe())
	}
}

// makeRoom lets the journal be written again, as the next check finds.
func (w *world) makeRoom() {
	w.t.Helper()
	w.disk.full, w.disk.half = false, false
	if err := w.engine.CheckStorage(); err != nil {
		w.t.Fatal(err)
	}
}

// change returns the slot another plan.
func (w *world) change(f func(*slot.Plan)) {
	p := copyOf(w.plan)
	f(p)
	w.plan = p
	if w.engine != nil {
		w.configure()
	}
}

func TestOverlapDeliversTheNewTokenAndRevokesTheOldAfterItsGrace(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(time.Minute)
	w.mustHold("value-1")

	w.run(24 * time.Hour)
	w.mustHold("value-2")
	if own := w.relay.own(); len(own) != 2 {
		t.Fatalf("in the grace the relay holds %d tokens of ours, want 2", len(own))
	}
	if got := w.status().State; got != slot.StateGrace {
		t.Errorf("state is %s, want grace", got)
	}
	w.run(time.Hour)
	w.atRest()
	w.mustBeSound()
	if w.stats.success != 2 || w.stats.failure != 0 {
		t.Errorf("observer saw %+v", w.stats)
	}
}

func TestInPlaceDeliversTheNewToken(t *testing.T) {
	w := newWorld(t, moq.InPlace, 3)
	w.start()
	w.run(25 * time.Hour)
	w.mustHold("value-2")
	w.atRest()
	w.mustBeSound()
	if w.stats.blackouts != 2 {
		t.Errorf("%d blackouts were measured, want 2", w.stats.blackouts)
	}
}

func TestTheMinimumOfCallsAndSyncsIsMade(t *testing.T) {
	for _, c := range []struct {
		strategy                                 moq.Strategy
		creates, rotates, revokes, proofs, syncs int
	}{
		{moq.Overlap, 1, 0, 1, 0, 4}, // intended, minted, verified, revoked
		{moq.InPlace, 0, 1, 0, 1, 3}, // intended, minted, verified
	} {
		t.Run(string(c.strategy), func(t *testing.T) {
			w := newWorld(t, c.strategy, 3)
			w.start()
			w.run(23 * time.Hour)
			creates, rotates, proofs, saves := w.relay.creates, w.relay.rotates, w.relay.proofs, w.disk.saves
			w.run(3 * time.Hour)
			if w.relay.creates-creates != c.creates || w.relay.rotates-rotates != c.rotates ||
				len(w.relay.revokes) != c.revokes || w.relay.proofs-proofs != c.proofs || w.relay.lists != 0 || w.disk.saves-saves != c.syncs {
				t.Errorf("a rotation took %d creates, %d rotates, %d revokes, %d proofs, %d lists, %d syncs; want %+v and no list", w.relay.creates-creates,
					w.relay.rotates-rotates, len(w.relay.revokes), w.relay.proofs-proofs, w.relay.lists, w.disk.saves-saves, c)
			}
		})
	}
}

func TestACompromisedTokenHasNoGrace(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(24*time.Hour + time.Minute) // one token is in its grace
	w.ask(true)
	if own := w.relay.own(); len(own) != 1 || own[0].Value.Reveal() != "value-3" {
		t.Errorf("after --compromised the relay holds %v, want value-3 alone", len(own))
	}
	w.mustHold("value-3")
	w.mustBeSound()
}

func TestAFourthTokenWaitsForTheOldestGrace(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.ask(false)
	w.run(10 * time.Minute)
	w.ask(false)
	w.run(10 * time.Minute)
	w.ask(false)
	w.run(10 * time.Minute)
	w.mustHold("value-3")
	if w.stats.failure != 0 {
		t.Error("waiting for a grace is no failure")
	}
	w.run(31 * time.Minute)
	w.mustHold("value-4")
	w.mustBeSound()
}

func TestNothingIsMintedWhileARequiredSinkIsDown(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			w := newWorld(t, strategy, 2)
			w.start()
			w.run(23 * time.Hour)
			w.sinks["sink1"].down = true
			w.run(2 * time.Hour)
			w.mustHold("value-1")
			s := w.status()
			if s.State != slot.StateFailing || s.Failure.Stage != slot.StagePreflight || s.NextAttempt.IsZero() || !s.Overdue {
				t.Errorf("status is %+v, want failing at preflight, overdue, with a next attempt", s)
			}
			w.sinks["sink1"].down = false
			w.run(10 * time.Minute)
			w.mustHold("value-2")
			w.mustBeSound()
		})
	}
}

func TestAnOptionalSinkDelaysNothing(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.addSink("extra", false).down = true
	w.start()
	w.run(time.Minute)
	if w.sinks["sink0"].content != "value-1" || w.stats.success != 1 {
		t.Fatalf("the rotation waited for the optional sink: %s", w.describe())
	}
	if len(w.disk.record().Rotation.Sealed) == 0 {
		t.Error("the value is forgotten before the optional sink has it")
	}
	w.sinks["extra"].down = false
	w.run(10 * time.Minute)
	w.mustHold("value-1")
	if len(w.disk.record().Rotation.Sealed) > 0 {
		t.Error("the value is kept though every sink has it")
	}
	w.mustBeSound()
}

func TestAnOptionalSinkGetsNoValueThatARotateCallMayHaveEnded(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	spare := w.addSink("spare", false)
	w.start()
	w.run(time.Minute)
	w.during(writeCall, func() {
		w.pass(time.Millisecond)
		_, _ = w.engine.Rotate(t.Context(), "live", string(moq.Subscribe), "a test", false)
		w.during(rotateCall, func() { w.choose = once(rotateCall, "lost after") })
	})
	w.run(24*time.Hour - time.Minute)
	w.mustBeSound()
	w.run(time.Hour)
	w.mustBeSound()
	if !w.relay.accepts(spare.content) {
		t.Errorf("the optional sink holds %q", spare.content)
	}
}

func TestASlotRotatesWhenAThirdOfItsTokensLifeIsLeft(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.change(func(p *slot.Plan) { p.Schedule, p.Lifetime = nil, 30*time.Hour })
	w.start()
	w.run(19 * time.Hour)
	w.mustHold("value-1")
	w.run(2 * time.Hour)
	w.mustHold("value-2")
}

// By a clock that is fast, an expiry just under a year is one that Cloudflare refuses.
func TestALifeOfNearlyAYearIsLeftToCloudflare(t *testing.T) {
	for life, want := range map[time.Duration]time.Duration{
		oneYear:                  oneYear,
		oneYear - time.Second:    oneYear,
		oneYear - 59*time.Minute: oneYear,
		oneYear - 2*time.Hour:    oneYear - 2*time.Hour,
	} {
		w := newWorld(t, moq.Overlap, 1)
		w.change(func(p *slot.Plan) { p.Lifetime = life })
		w.start()
		w.run(time.Minute)
		if got := w.rec().Current.Expires.Time().Sub(w.born); (got - want).Abs() > time.Minute {
			t.Errorf("a lifetime of %s gave a token that lives %s, want %s", life, got, want)
		}
		if asked := w.rec().Rotation.Expires; asked.IsZero() != (want == oneYear) {
			t.Errorf("a lifetime of %s asked for %s", life, asked.Time())
		}
	}
}

func TestMissedInstantsRunOnceOnReturnOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		catchUp bool
		want    int
	}{{true, 2}, {false, 1}} {
		w := newWorld(t, moq.InPlace, 1)
		w.change(func(p *slot.Plan) { p.CatchUp = c.catchUp })
		w.start()
		w.run(time.Hour)
		w.restart(func() { w.pass(72 * time.Hour) })
		w.run(time.Minute)
		if w.relay.rotates != c.want {
			t.Errorf("with catch_up %v there were %d rotations, want %d", c.catchUp, w.relay.rotates, c.want)
		}
	}
}

func TestARemovedSlotMintsNothingMore(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.engine.Configure(nil, w, w, []string{"sink0"})
	w.run(48 * time.Hour)
	if w.relay.creates != 2 || len(w.relay.own()) != 1 {
		t.Errorf("%d mints, %d tokens left; want 2 mints, and the grace of the first ended", w.relay.creates, len(w.relay.own()))
	}
	w.run(31 * 24 * time.Hour)
	if len(w.relay.own()) != 0 {
		t.Error("the removed slot's expired token still takes a place")
	}
}

func TestANewTargetMakesAnOverlapSlotDue(t *testing.T) {
	for strategy, want := range map[moq.Strategy]string{moq.Overlap: "value-2", moq.InPlace: ""} {
		w := newWorld(t, strategy, 1)
		w.start()
		w.run(time.Hour)
		w.addSink("new", true)
		w.configure()
		w.run(time.Minute)
		if got := w.sinks["new"].content; got != want {
			t.Errorf("%s: the new target holds %q, want %q", strategy, got, want)
		}
		if strategy == moq.InPlace && w.status().Note == "" {
			t.Error("that the new target waits is not said")
		}
	}
}

func TestRenamingASinkChangesNothing(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Hour)
	w.sinks["renamed"] = w.sinks["sink0"]
	delete(w.sinks, "sink0")
	w.change(func(p *slot.Plan) { p.Targets[0].Sink = "renamed" })
	w.run(time.Hour)
	if w.relay.creates != 1 {
		t.Error("the slot rotated because a sink was renamed")
	}
}

func TestSideBySideWaitsForAllEvenIfOnePanics(t *testing.T) {
	for n := range 4 {
		done := make([]bool, n)
		sideBySide(n, func(i int) { done[i] = true })
		if slices.Contains(done, false) {
			t.Errorf("of %d were done %v", n, done)
		}
	}
	began, ended := make(chan struct{}), false
	func() {
		defer func() { _ = recover() }()
		sideBySide(2, func(i int) {
			if i == 0 {
				close(began)
				panic("a bug")
			}
			<-began
			ended = true
		})
	}()
	if !ended {
		t.Error("the other was not waited for")
	}
}

func TestACompromisedTokenDoesNotWaitForTheTurnOfARevocation(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute) // the former token is in its grace
	revoked := -1
	w.during(revokeCall, func() {
		w.during(createCall, func() { revoked = len(w.relay.revokes) })
		w.compromised = true
		if _, err := w.engine.Rotate(t.Context(), "live", string(moq.Subscribe), "a test", true); err != nil {
			t.Error(err)
		}
	})
	w.run(2 * time.Hour)
	if revoked != 0 {
		t.Errorf("%d tokens were revoked before the new one was minted, want 0", revoked)
	}
	w.mustHold("value-3")
	w.mustBeSound()
}

func TestAFullRelayIsExplained(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.relay.limit = 1 // somebody else's token takes the only place
	w.start()
	w.run(10 * time.Minute)
	f := w.status().Failure
	if f == nil || f.Reason != "full" {
		t.Fatalf("failure is %+v, want full", f)
	}
	for _, want := range []string{foreignToken, "no label", "tokens prune"} {
		if !contains(f.Message, want) {
			t.Errorf("the message %q does not say %q", f.Message, want)
		}
	}
}

// A label is whatever its maker chose.
func TestALabelInAMessageIsQuotedAndCut(t *testing.T) {
	for label, want := range map[string]string{
		"":                        "no label",
		"studio":                  `label "studio"`,
		"x), rotatord (\x1b[2J\n": `label "x), rotatord (\x1b[2J\n"`,
		strings.Repeat("l", 1000): `label "` + strings.Repeat("l", 63) + `…"`,
	} {
		if got := makerOf(moq.Token{Label: label}); got != want {
			t.Errorf("%q: %s, want %s", label, got, want)
		}
	}
}

// A journal of an older release may hold what stores said, word for word.
func TestWhatAnOlderJournalHoldsIsCleanedWhenItIsRead(t *testing.T) {
	const dirty = "vault says \x1b[2J hvs.CAESIJlDpHKdW6yVs3qQ9cVbX7Rz"
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(10 * time.Minute)
	w.restart(func() {
		old := *w.disk.saved
		old.Failure = &slot.Failure{Count: 1, Stage: slot.StageDeliver, Next: w.now.Add(time.Minute), Message: dirty + " " + strings.Repeat("x", 2<<20)}
		old.Request = &slot.Request{At: w.now}
		w.disk.saved = &old
		w.disk.events = append(w.disk.events, slot.Event{At: w.now, Slot: "live/subscribe", Key: testKey, Detail: dirty})
	})
	if f := w.status().Failure; f == nil || len(f.Message) > 5000 || !contains(f.Message, `vault says \x1b[2J [redacted]`) {
		t.Errorf("failure is %.200v", f)
	}
	events, err := NewAdministration(w.engine).History(t.Context(), "", "", 0)
	if err != nil || !slices.ContainsFunc(events, func(e slot.Event) bool { return e.Detail == `vault says \x1b[2J [redacted]` }) {
		t.Errorf("history is %v, %v", events, err)
	}
}

func TestASlotThatPanicsIsTriedAgain(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Hour)
	w.during(createCall, func() { panic("a bug") })
	w.run(25 * time.Hour)
	w.mustHold("value-3")
}

func TestStageReasonAndSinkAreThoseOfOneTarget(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string // what comes of the writes
		stage         slot.Stage
		reason        fault.Reason
		sink          string
	}{
		"the first is not written":  {"lost before", "acknowledged and not kept", slot.StageDeliver, fault.Unreachable, "sink0"},
		"the second is not written": {"acknowledged and not kept", "lost before", slot.StageDeliver, fault.Unreachable, "sink1"},
		"none keeps it":             {"acknowledged and not kept", "acknowledged and not kept", slot.StageVerify, fault.Mismatch, "sink0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, moq.Overlap, 2)
			w.choose = func(made choice) int {
				if made.kind != writeCall {
					return 0
				}
				return made.mustFind([]string{c.first, c.second}[(made.number-1)%2])
			}
			w.start()
			w.run(time.Minute)
			f := w.rec().Failure
			if f == nil || f.Stage != c.stage || f.Reason != string(c.reason) || f.Sink != c.sink {
				t.Errorf("it failed at %+v, want %s for %s of %s", f, c.stage, c.reason, c.sink)
			}
		})
	}
}

func TestThatASlotPanickedIsToldWithoutThePanicsText(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	logs := w.logged()
	w.start()
	w.run(time.Hour)
	w.during(createCall, func() { panic("canary") })
	w.run(24*time.Hour + time.Minute - w.elapsed())
	if w.stats.failure == 0 {
		t.Fatal("nothing panicked")
	}
	told := printed(w.disk.events)
	for _, l := range logs.All() {
		told = append(told, fmt.Sprint(l.Message, l.ContextMap()))
	}
	if !slices.ContainsFunc(told, func(s string) bool { return contains(s, "a string in ") }) {
		t.Error("nobody is told where it panicked")
	}
	for _, s := range told {
		if contains(s, "canary") {
			t.Errorf("a panic's text, which may hold a value, is told: %s", s)
		}
	}
}

func TestNoValueIsPrintedWithARecord(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	held := w.engine.slots.workerOf(testKey)
	held.ensureNotes().value = heldValue{"x", secret.New("canary")}
	if held.notes.value.value.Reveal() != "canary" {
		t.Fatal("the canary is not in the input")
	}
	for _, s := range printed(held, *held.notes, w.status(), w.rec()) {
		if contains(s, "canary") {
			t.Errorf("a value is printed: %s", s)
		}
	}
}

type unknownAction struct{ slot.Action }

// An action that is left out would be decided for ever.
func TestAnActionThatNobodyCarriesOutIsToldAtOnce(t *testing.T) {
	defer func() {
		if told := fmt.Sprint(recover()); !strings.Contains(told, "unknownAction") {
			t.Errorf("told: %s", told)
		}
	}()
	(&worker{}).carryOut(unknownAction{})
}

// What failed is not the rotation before it.
func TestTheHistoryTellsOfAFailedAttemptWhyItWasMadeAndWhoAsked(t *testing.T) {
	for _, asked := range []bool{false, true} {
		w := newWorld(t, moq.Overlap, 1)
		w.start()
		ask := func(by string) { _, _ = w.engine.Rotate(t.Context(), "live", string(moq.Subscribe), by, false) }
		ask("alice")
		w.run(time.Hour)
		w.sinks["sink0"].down = true
		want := slot.Event{Cause: slot.CauseSchedule}
		if asked {
			ask("bob")
			want = slot.Event{Cause: slot.CauseRequested, By: "bob"}
		}
		w.run(24 * time.Hour)
		i := slices.IndexFunc(w.disk.events, func(e slot.Event) bool { return e.Kind == slot.EventFailed })
		if i < 0 {
			t.Fatal("nothing failed")
		}
		got := w.disk.events[i]
		if got.Cause != want.Cause || got.By != want.By || got.RotationID != "" || got.TokenID != "" {
			t.Errorf("cause %q, by %q, rotation %q, token %q", got.Cause, got.By, got.RotationID, got.TokenID)
		}
	}
}

// Nor is it the unfinished one whose place it was to take.
func TestTheHistoryTellsOfAFailedAttemptToSupersedeWhyItWasMade(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.change(func(p *slot.Plan) { p.Settle = time.Hour })
	w.ask(false)
	w.run(time.Minute)
	if !w.rec().Unfinished() {
		t.Fatal("nothing is unfinished")
	}
	w.relay.down = true
	w.ask(true)
	w.run(time.Minute)
	i := slices.IndexFunc(w.disk.events, func(e slot.Event) bool { return e.Kind == slot.EventFailed })
	if i < 0 {
		t.Fatal("nothing failed")
	}
	got := w.disk.events[i]
	if got.Cause != slot.CauseCompromised || got.By == "" || got.RotationID != "" || got.TokenID != "" {
		t.Errorf("step %s: cause %q, by %q, rotation %q, token %q", got.Stage, got.Cause, got.By, got.RotationID, got.TokenID)
	}
}
