package daemon

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/rotation"
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

// Forecast lists the runs within the given time from now.
func (d *daemon) Forecast(within time.Duration) []slot.Run {
	c := d.core.Load()
	if c == nil {
		return nil
	}
	return soonestFirst(rotation.NewAdministration(c.engine).Forecast(time.Now().Add(within)))
}

func soonestFirst(runs []slot.Run) []slot.Run {
	slices.SortFunc(runs, func(a, b slot.Run) int { return a.At.Compare(b.At) })
	if len(runs) > maxForecast {
		runs = runs[:maxForecast]
		runs[maxForecast-1].MoreFollow = true
	}
	return runs
}
