package rotation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Between the moment at which a token has settled and the alarm that was set for it, a run of what is due is not over.
func TestASlotWhoseTokenHasSettledIsNotQuietBeforeItIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 1, "disk")
		f.plans[0].Settle = time.Hour
		f.start()
		defer f.kill()
		f.engine.WakeAll()
		w := f.engine.slots.workerOf(f.plans[0].Key)
		for range 100 {
			<-time.After(time.Hour / 2)
			if v := w.view(); v.AwaitsSettling() {
				break
			}
		}
		f.mu.Lock()
		for _, a := range f.alarms {
			a.Stop()
		}
		f.mu.Unlock()
		<-time.After(2 * time.Hour)
		if v := w.view(); !v.Record.Unfinished() || v.AwaitsSettling() || w.isQuiet() {
			t.Errorf("unfinished: %t, settling: %t, quiet: %t", v.Record.Unfinished(), v.AwaitsSettling(), w.isQuiet())
		}
	})
}
