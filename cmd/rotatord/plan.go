package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/timefmt"
)

func (a *app) planCommand() *cobra.Command {
	var within string
	cmd := a.listing(&cobra.Command{
		Use:   "plan",
		Short: "Show when each slot will run",
		Long: "Show when each slot will run.\n\nWhat is under way is not shown; what is late is, with the time of its next attempt or of\nwhat it waits for, else as now. " +
			"Rotations for other reasons (somebody asks,\na token nears its expiry, a target drifted) are no runs. A thousand runs of a slot are\n" +
			"shown at most, and ten thousand in all; where more follow, that is said.\n" +
			"With a daemon running, from what it knows; without one, from the configuration alone,\n" +
			"as if every slot were seen for the first time now.",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := config.ParseDuration(within)
			if err != nil || d <= 0 {
				return errUsage{fmt.Errorf("--for takes a duration such as 12h or 7d, not %q", within)}
			}
			if d > adminapi.MaxForecast {
				return errUsage{fmt.Errorf("--for takes %dd at most, not %q", adminapi.MaxForecast/(24*time.Hour), within)}
			}
			runs, err := a.forecast(cmd.Context(), d)
			if err != nil {
				return err
			}
			return a.printRuns(runs)
		},
	})
	cmd.Flags().StringVar(&within, "for", "7d", "how far to look ahead")
	return cmd
}

func (a *app) printRuns(runs []adminapi.Run) error {
	rows := make([][]string, len(runs))
	for i, r := range runs {
		rows[i] = []string{timefmt.Stamp(r.At), timefmt.Until(time.Now(), r.At), r.Slot, string(r.Strategy), r.Account}
	}
	err := a.print(runs, "TIME\tIN\tSLOT\tSTRATEGY\tACCOUNT", rows)
	if i := slices.IndexFunc(runs, func(r adminapi.Run) bool { return r.MoreFollow }); i >= 0 {
		a.warn("after %s not every run is listed: at most a thousand of a slot are, and ten thousand in all", timefmt.Stamp(runs[i].At))
	}
	return err
}

// forecast asks the daemon. Where none answers, the configuration tells; if that is wrong, too, both are told.
func (a *app) forecast(ctx context.Context, d time.Duration) ([]adminapi.Run, error) {
	runs, err := a.client().Forecast(ctx, d)
	if !errors.Is(err, adminapi.ErrNoDaemon) {
		return runs, err
	}
	cfg, wrong := a.load()
	if wrong != nil {
		a.warn("%v", err)
		return nil, wrong
	}
	a.warn("no daemon answers: forecast from the configuration alone, as if every slot were seen for the first time now")
	now := time.Now()
	return daemon.ForecastOf(cfg, now, now.Add(d)), nil
}
