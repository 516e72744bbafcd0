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
			synctest.Wait() // a pass of that very instant sets the alarm
			if _, settling := isOnItsWay(w); settling {
				break
			}
		}
		f.mu.Lock()
		for _, a := range f.alarms {
			a.Stop()
		}
		f.mu.Unlock()
		<-time.After(2 * time.Hour)
		if unfinished, settling := isOnItsWay(w); !unfinished || settling || w.isQuiet() {
			t.Errorf("unfinished: %t, settling: %t, quiet: %t", unfinished, settling, w.isQuiet())
		}
	})
}

// isOnItsWay reports whether a slot's rotation is unfinished, and whether its token settles.
func isOnItsWay(w *worker) (unfinished, settling bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view()
	return v.Record.Unfinished(), v.AwaitsSettling()
}

// What an earlier process minted is written over what the journal does not know once lists tell for sure that its token
// lives: seconds after the start, for which a run of what is due waits.
func TestARunOfWhatIsDueWaitsForTheListsThatAValueWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := inPlaces(t, moq.Overlap, 1)
		f.plans[0].Settle = 10 * time.Second
		f.start()
		<-time.After(time.Hour)
		if _, err := f.engine.Rotate(t.Context(), f.plans[0].Relay, string(moq.Subscribe), "a test", false); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Second)
		f.kill()
		place := "place of " + f.plans[0].Targets[0].Target
		d.mu.Lock()
		d.held[place] = "another's"
		d.mu.Unlock()
		f.start()
		f.engine.Quiesce(t.Context())
		if d.mu.Lock(); d.held[place] == "another's" {
			t.Error("the pending value was left where it was")
		}
		d.mu.Unlock()
		f.kill()
		synctest.Wait()
	})
}
