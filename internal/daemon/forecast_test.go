package daemon

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

func TestPlannedRunsAreInOrderAndBounded(t *testing.T) {
	now := time.Now()
	var runs []slot.PlannedRun
	for n := range maxPlanned + 10 {
		runs = append(runs, slot.PlannedRun{At: now.Add(-time.Duration(n) * time.Second)})
	}
	runs = soonestFirst(runs)
	if len(runs) != maxPlanned || !runs[0].At.Before(runs[1].At) || !runs[0].At.Equal(now.Add(-time.Duration(maxPlanned+9)*time.Second)) {
		t.Errorf("%d runs, the first at %s", len(runs), runs[0].At)
	}
}
