package daemon

import (
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

func TestAForecastIsInOrderAndBounded(t *testing.T) {
	now := time.Now()
	var runs []slot.Run
	for n := range maxForecast + 10 {
		runs = append(runs, slot.Run{At: now.Add(-time.Duration(n) * time.Second)})
	}
	runs = soonestFirst(runs)
	if len(runs) != maxForecast || !runs[0].At.Before(runs[1].At) || !runs[0].At.Equal(now.Add(-time.Duration(maxForecast+9)*time.Second)) {
		t.Errorf("%d runs, the first at %s", len(runs), runs[0].At)
	}
	if !runs[maxForecast-1].MoreFollow {
		t.Error("nothing says that more follow")
	}
	if whole := soonestFirst(slices.Clone(runs[:10])); slices.ContainsFunc(whole, func(r slot.Run) bool { return r.MoreFollow }) {
		t.Error("a list that is whole says that more follow")
	}
}
