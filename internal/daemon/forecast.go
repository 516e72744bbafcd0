package daemon

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/slot"
)

// maxPlanned bounds what is listed at once.
const maxPlanned = 10_000

// Forecast lists the runs from now to until, soonest first, bounded in number, from the configuration alone: as
// if every slot were seen for the first time now.
func Forecast(cfg *config.Config, now, until time.Time) []slot.PlannedRun {
	runs := []slot.PlannedRun{}
	for _, p := range cfg.Plans() {
		runs = append(runs, slot.Forecast(p, now, until)...)
	}
	return soonestFirst(runs)
}

func soonestFirst(runs []slot.PlannedRun) []slot.PlannedRun {
	slices.SortFunc(runs, func(a, b slot.PlannedRun) int { return a.At.Compare(b.At) })
	return runs[:min(len(runs), maxPlanned)]
}
