package daemon

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/slot"
)

// maxForecast bounds what is listed at once.
const maxForecast = 10_000

// ForecastOf lists the runs from now to until, soonest first, bounded in number, from the configuration alone: as
// if every slot were seen for the first time now.
func ForecastOf(cfg *config.Config, now, until time.Time) []slot.Run {
	runs := []slot.Run{}
	for _, p := range cfg.Plans() {
		runs = append(runs, slot.FirstForecast(p, now, until)...)
	}
	return soonestFirst(runs)
}

func soonestFirst(runs []slot.Run) []slot.Run {
	slices.SortFunc(runs, func(a, b slot.Run) int { return a.At.Compare(b.At) })
	return runs[:min(len(runs), maxForecast)]
}
