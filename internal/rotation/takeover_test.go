package rotation

import (
	"encoding/json"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestWhatAFormerLeaderIntendedMayHaveBeenCarriedOut(t *testing.T) {
	f := newFleet(t, moq.Overlap, 1, "disk")
	key := f.plans[0].Key
	intended := slot.Rotation{ID: "06h1ys22ezw90wwfaq9a31gja4", Strategy: moq.Overlap, Started: slot.TimestampOf(time.Now())}
	b, err := json.Marshal(slot.Record{Key: key, PendingMint: &intended})
	if err != nil {
		t.Fatal(err)
	}
	f.disk[key] = b
	e := New(Options{
		Instance: "test", Journal: f, Sealer: fakeSealer{&world{}}, Alarm: f, Clock: f,
		Observer: unobserved{}, Log: zap.NewNop(), TakeOver: true,
	})
	if err := e.Load(t.Context(), f.plans); err != nil {
		t.Fatal(err)
	}
	if lost := e.slots.workerOf(key).record.Orphans; len(lost) != 1 || !lost[0].Crashed {
		t.Errorf("lost mints: %+v", lost)
	}
}

func TestWhatFirstSawASlotByAWrongClockMeetsNoInstantFromBeforeAndMissesNone(t *testing.T) {
	for _, wrong := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		w := newWorld(t, moq.InPlace, 1)
		w.change(schedule(time.Hour))
		w.plan.Initial = slot.InitialSchedule
		w.withReplicas([2]time.Duration{wrong, wrong})
		w.start()
		w.run(time.Minute)
		w.engine.WakeAll()
		w.run(59*time.Minute - time.Second)
		if rot := w.rec().Rotation; rot != nil {
			t.Errorf("by a clock that is wrong by %s the slot rotated because of %s", wrong, rot.Cause)
		}
		w.run(2 * time.Second)
		w.mustHold("value-1")
		w.mustBeSound()
	}
}
