package daemon

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

func TestTheStatusLineTellsOfSlotsInTrouble(t *testing.T) {
	for want, all := range map[string][]slot.Status{
		"0 slots":                           nil,
		"2 slots":                           {{}, {}},
		"3 slots, 2 failing, 1 in blackout": {{}, {Failure: &slot.Failure{}}, {Failure: &slot.Failure{}, BlackoutSince: time.Now()}},
	} {
		got := statusLine(func(yield func(*slot.Status) bool) {
			for i := range all {
				yield(&all[i])
			}
		})
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
