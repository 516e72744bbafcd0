package rotation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestSlotsAreCountedAsTheirStatusesTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.InPlace, 3, "disk")
		f.start()
		defer f.kill()
		synctest.Wait()
		w := f.engine.slots.workerOf(f.plans[0].Key)
		w.locked(func() {
			w.record.PendingMint = &slot.Rotation{Strategy: moq.InPlace, Started: slot.TimestampOf(time.Now())}
			w.record.Failure = &slot.Failure{}
		})
		var want Counts
		f.engine.Statuses(func(s *slot.Status) bool {
			want.Slots++
			if s.Failure != nil {
				want.Failing++
			}
			if !s.BlackoutSince.IsZero() {
				want.InBlackout++
			}
			return true
		})
		if got := f.engine.CountSlots(); got != want || got != (Counts{3, 1, 1}) {
			t.Errorf("counted %+v, told %+v", got, want)
		}
	})
}
