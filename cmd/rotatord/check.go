package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/workload"
)

func (a *app) checkCommand() *cobra.Command {
	var online, quiet bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration; with --online, also every account, relay and sink",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings() {
				a.say("warning: %s", w.String())
			}
			report := workload.Of(cfg, time.Now())
			warned := len(cfg.Warnings()) + a.warnWorkload(report)
			switch {
			case online:
				return a.checkOnline(cmd.Context(), cfg, quiet, warned)
			case !quiet:
				a.say("%s is valid: %s, %s, %s", a.config, count(len(cfg.Plans()), "slot"), count(len(cfg.Sinks), "sink"), count(len(cfg.Accounts), "account"))
				a.sayWorkload(report)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "also reach every account, relay and sink, read-only")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say faults and warnings alone")
	return cmd
}

// checkOnline reaches everything; so many warnings were given before.
func (a *app) checkOnline(ctx context.Context, cfg *config.Config, quiet bool, warned int) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM) // what was opened is closed all the same
	defer stop()
	report := a.printFinding
	if quiet {
		report = onlyTrouble(a.printFinding)
	}
	verdict, err := daemon.CheckOnline(ctx, cfg, daemon.OnlineOptions{Env: a.env, Socket: a.address(), UID: os.Geteuid(), Report: report})
	if !quiet {
		a.sumUp(verdict, warned, err)
	}
	return err
}

// sumUp repeats the faults, which may be far above, or says how well all is.
func (a *app) sumUp(v daemon.Verdict, warned int, err error) {
	warned += v.Warnings
	switch {
	case len(v.Faults) > 0:
		a.say("\nfaults:")
		for _, text := range v.Faults {
			a.say("  %s", text)
		}
	case err != nil:
	case warned > 0:
		a.say("\nno faults, %s: see above", count(warned, "warning"))
	default:
		a.say("\nall is well")
	}
}

// onlyTrouble passes on faults and warnings, each below the heading that it belongs to.
func onlyTrouble(report func(daemon.Finding)) func(daemon.Finding) {
	var heading *daemon.Finding
	return func(f daemon.Finding) {
		switch f.Level {
		case daemon.Heading:
			heading = &f
		case daemon.Failed, daemon.Warning:
			if heading != nil {
				report(*heading)
				heading = nil
			}
			report(f)
		}
	}
}

// printFinding prints headings as they are, and below them the findings with their levels in a column.
func (a *app) printFinding(f daemon.Finding) {
	if f.Level == daemon.Heading {
		a.say("%s", f.Text)
		return
	}
	a.say("  %-4s  %s", string(f.Level), f.Text)
}
