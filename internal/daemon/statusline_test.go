package daemon

import (
	"testing"

	"github.com/rotatord/rotatord/internal/rotation"
)

func TestTheStatusLineTellsOfSlotsInTrouble(t *testing.T) {
	for want, counts := range map[string]rotation.Counts{
		"0 slots":                           {},
		"2 slots":                           {Slots: 2},
		"3 slots, 2 failing, 1 in blackout": {Slots: 3, Failing: 2, InBlackout: 1},
	} {
		if got := slotsLine(counts); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
