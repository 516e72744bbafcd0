package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/config"
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
			a.warnWorkload(report)
			switch {
			case online:
				return a.checkOnline(cmd.Context(), cfg, quiet)
			case !quiet:
				a.say("%s is valid: %s, %s, %s", a.config, count(len(cfg.Slots()), "slot"), count(len(cfg.Sinks), "sink"), count(len(cfg.Accounts), "account"))
				a.sayWorkload(report)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "also reach every account, relay and sink, read-only")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say faults and warnings alone")
	return cmd
}

func (a *app) checkOnline(ctx context.Context, cfg *config.Config, quiet bool) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM) // what was opened is closed all the same
	defer stop()
	o, err := newOnline(ctx, a, cfg)
	if err != nil {
		return err
	}
	o.quiet = quiet
	defer func() { err = errors.Join(err, o.ports.closeBut(nil)) }()
	for _, t := range o.ports.troubles {
		o.warn("%v", t.err)
	}
	for relay, slots := range o.byRelay() {
		o.checkRelay(ctx, relay, slots)
	}
	for i := range cfg.Slots() {
		if ctx.Err() != nil {
			return errors.New("interrupted: the rest was not checked")
		}
		o.checkSlot(ctx, &cfg.Slots()[i])
	}
	return o.verdict()
}
