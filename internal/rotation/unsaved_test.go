package rotation

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

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
