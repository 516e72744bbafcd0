package rotation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

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

// A journal whose files are gone is one that cannot be written, until all that memory
// knows is written anew.
func TestALostJournalIsWrittenAnewFromMemory(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	before := w.rec()
	w.disk.saved, w.disk.lost, w.disk.stuck = nil, true, true
	if err := w.engine.CheckStorage(); !errors.Is(err, slot.ErrRecordsLost) || w.engine.StorageErr() == nil {
		t.Fatalf("check: %v; the engine says %v", err, w.engine.StorageErr())
	}
	w.run(25 * time.Hour)
	w.mustHold("value-1")
	w.disk.saved, w.disk.stuck = nil, false
	if err := w.engine.CheckStorage(); !errors.Is(err, slot.ErrRecordsLost) {
		t.Fatalf("check: %v", err)
	}
	if w.disk.saved == nil || w.disk.saved.Current.ID != before.Current.ID {
		t.Fatalf("written anew: %+v", w.disk.saved)
	}
	if err := w.engine.CheckStorage(); err != nil || w.engine.StorageErr() != nil {
		t.Fatalf("check: %v; the engine says %v", err, w.engine.StorageErr())
	}
	w.run(10 * time.Minute)
	w.mustHold("value-2")
	w.mustBeSound()
}

// What was lost since the last check is found at the end: the next start would miss it.
func TestTheEndLooksOnceMoreWhetherTheJournalIsThere(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.disk.saved, w.disk.lost = nil, true
	w.engine.Stop(t.Context())
	if w.disk.saved == nil {
		t.Error("nothing was written anew")
	}
}

// A record that the journal refuses stops its own slot, and not the journal of all.
func TestARecordThatCannotBeSavedStopsItsSlotAlone(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.disk.unfit = true
	w.run(25 * time.Hour)
	w.mustHold("value-1")
	if err := w.engine.StorageErr(); err != nil {
		t.Errorf("the engine says %v", err)
	}
	if note := w.status().Note; !strings.Contains(note, "refuses the slot's record") {
		t.Errorf("the slot says %q", note)
	}
	w.disk.unfit = false
	w.run(10 * time.Minute)
	w.mustHold("value-2")
	w.mustBeSound()
}

func TestWhileTheJournalCannotBeWrittenNothingIsMinted(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.disk.full = true
	w.run(25 * time.Hour)
	w.mustHold("value-1")
	if w.engine.StorageErr() == nil {
		t.Error("the engine does not know that the journal cannot be written")
	}
	w.makeRoom()
	w.run(10 * time.Minute)
	w.mustHold("value-2")
	w.mustBeSound()
}

// What a check found wrong, a save that succeeds does not make right: it needs less.
func TestAfterAFailedCheckNothingIsMintedUntilOneSucceeds(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.disk.half = true
	if w.engine.CheckStorage() == nil {
		t.Fatal("the check succeeded")
	}
	saves := w.disk.saves
	if _, err := w.engine.Rotate(t.Context(), "live", string(moq.Subscribe), "a test", false); err != nil {
		t.Fatal(err)
	}
	w.run(25 * time.Hour)
	w.mustHold("value-1")
	if w.disk.saves == saves || w.engine.StorageErr() == nil {
		t.Errorf("%d saves, and the engine says %v", w.disk.saves-saves, w.engine.StorageErr())
	}
	w.makeRoom()
	w.run(10 * time.Minute)
	w.mustHold("value-2")
	w.mustBeSound()
}

// A wish that could not be saved is refused and not saved later; nothing else may be
// saved for a long time, and the daemon would stay unready.
func TestACheckThatSucceedsTakesBackWhatASaveFound(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.disk.full = true
	if _, err := w.engine.Rotate(t.Context(), "live", string(moq.Subscribe), "a test", false); err == nil || w.engine.StorageErr() == nil {
		t.Fatalf("refused: %v; the engine says %v", err, w.engine.StorageErr())
	}
	w.makeRoom()
	if err := w.engine.StorageErr(); err != nil {
		t.Errorf("after a check that succeeded the engine says %v", err)
	}
	w.run(10 * time.Minute)
	w.mustHold("value-1")
	w.mustBeSound()
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

func TestAValueDeliveredFromMemoryBeforeACrashGivesTheOldOneItsGrace(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Hour)
	former := w.sinks["sink0"].content
	w.run(24*time.Hour + 30*time.Minute - w.elapsed())
	w.sinks["sink0"].replace(former) // somebody puts the old one back: it is served until the next rotation
	w.during(createCall, func() { w.disk.full = true })
	w.run(30*time.Minute + time.Second)
	w.mustHold("value-3")
	w.restart(func() { w.disk.full = false })
	w.run(3 * time.Hour)
	w.mustBeSound()
}

func TestAValueDeliveredFromMemoryBeforeACrashHasItsGraceThoughTheSinkIsWiped(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.dieAfterDeliveringFromMemory(func() { w.sinks["sink0"].replace("") })
	w.mustHold("value-3")
	w.mustRevokeOnlyAfterAGrace()
}

func TestATokenOfALostMintHasItsGraceFromWhenTheSinkNoLongerServesIt(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.dieAfterDeliveringFromMemory(func() { w.relay.limit = len(w.relay.tokens) }) // no newer one can be had
	w.run(2 * time.Hour)
	w.mustHold("value-2")
	w.sinks["sink0"].replace("")
	w.mustRevokeOnlyAfterAGrace()
}

// dieAfterDeliveringFromMemory starts the world and lets the process die when its
// sinks hold a value that the journal does not, the second; meanwhile something happens.
func (w *world) dieAfterDeliveringFromMemory(meanwhile func()) {
	w.t.Helper()
	w.start()
	w.run(24*time.Hour - time.Second)
	w.during(createCall, func() { w.disk.full = true })
	w.run(time.Second)
	w.mustHold("value-2")
	w.restart(func() {
		w.disk.full = false
		meanwhile()
	})
}

// mustRevokeOnlyAfterAGrace expects that nothing is revoked for a grace from now, and rest in the end.
func (w *world) mustRevokeOnlyAfterAGrace() {
	w.t.Helper()
	w.run(59 * time.Minute)
	if len(w.relay.revokes) > 0 {
		w.t.Error("a token was revoked that consumers had less than a grace ago")
	}
	w.run(3 * time.Hour)
	w.atRest()
	w.mustBeSound()
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

func TestPruneRevokesOnlyWhatNoSinkHolds(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute) // two tokens of ours: one served, one in its grace
	w.sinks["sink0"].content = "header." + jwtOf(w.relay.own()[1].ID) + ".signature"
	w.restart(func() { w.disk.saved = nil })
	tokens, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	revoked := 0
	for _, tok := range tokens {
		if tok.Revoked {
			revoked++
		}
		if tok.Revoked == (len(tok.ServedBy) > 0) {
			t.Errorf("token %+v: revoked and served, or neither", tok)
		}
	}
	if revoked != 1 || len(w.relay.tokens) != 2 {
		t.Errorf("%d tokens pruned, %d left; want 1 pruned, the served one and somebody else's left", revoked, len(w.relay.tokens))
	}
}

func TestPruneLeavesATokenWhoseAnswerIsOnItsWay(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Hour)
	w.sinks["sink0"].content = "header." + jwtOf(w.relay.own()[0].ID) + ".signature"
	w.during(createCall, func() {
		made := moq.Token{ID: foreignToken[:31] + "d", Operations: moq.Subscribe.Operations(), Label: moq.Label("test", w.rec().PendingMint.ID)}
		w.relay.tokens = append(w.relay.tokens, made)
		tokens, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false)
		if err != nil || len(tokens) != 0 || len(w.relay.tokens) != 3 {
			t.Errorf("in the middle of a mint: %v, former tokens %+v, %d left of 3", err, tokens, len(w.relay.tokens))
		}
	})
	w.ask(false)
	if w.relay.creates != 2 {
		t.Fatalf("%d tokens were created, want 2", w.relay.creates)
	}
}

func TestPruneLeavesEverythingWhenASinkCannotBeTold(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.restart(func() { w.disk.saved = nil })
	if _, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false); err != nil {
		t.Fatal(err)
	}
	if len(w.relay.own()) != 2 {
		t.Error("a token was pruned though the sink's content is opaque")
	}
}

func TestPruneRevokesWhatHasExpiredThoughASinkCannotBeTold(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.restart(func() { w.disk.saved = nil })
	b := *w.engine.backends.Load()
	ours, theirs := w.now, w.relay.own()[0].Expires.Add(time.Hour)
	for _, clocks := range []struct {
		ours, theirs time.Time
		left         int
	}{{ours, theirs, 2}, {theirs, ours, 2}, {theirs, time.Time{}, 2}, {theirs, theirs, 1}} {
		w.now, b.accounts = clocks.ours, oneAccount{telling{w.relay, moq.CloudflareTime{Now: clocks.theirs}}}
		w.engine.backends.Store(&b)
		if _, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false); err != nil {
			t.Fatal(err)
		}
		if own := w.relay.own(); len(own) != clocks.left {
			t.Errorf("at %s by our clock, at %s by Cloudflare's, %d of 2 tokens are left", clocks.ours, clocks.theirs, len(own))
		}
	}
}

func TestPruneGoesPastATokenOfAnotherRelay(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.sinks["sink0"].content = jwtOfRelay("fedcba9876543210fedcba9876543210")
	w.restart(func() { w.disk.saved = nil })
	if _, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false); err != nil {
		t.Fatal(err)
	}
	if own := w.relay.own(); len(own) != 0 {
		t.Errorf("not pruned, though the relays of two names were exchanged: %v", own)
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

func TestStageAndReasonAreThoseOfOneTarget(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string // what comes of the writes
		stage         slot.Stage
		reason        fault.Reason
	}{
		"the first is not written":   {"lost before", "acknowledged and not kept", slot.StageDeliver, fault.Unreachable},
		"the first does not keep it": {"acknowledged and not kept", "lost before", slot.StageVerify, fault.Mismatch},
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
			if f == nil || f.Stage != c.stage || f.Reason != string(c.reason) {
				t.Errorf("it failed at %+v, want %s for %s", f, c.stage, c.reason)
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
		w.engine.Slots(func(st *slot.Status) bool { names = append(names, st.Slot); return true })
		return names
	}
	found := func(relay string, typ moq.TokenType) bool { _, ok := w.engine.Slot(relay, string(typ)); return ok }

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
// point to.)
func TestASlotTakesNoMoreMemoryThanItDid(t *testing.T) {
	const most, mostOfPlan = 296, 168
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
