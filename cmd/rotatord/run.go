package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/daemon"
)

func (a *app) runCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: rotate on schedule until told to stop",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			a.startEntries(cfg.Log.Format)
			if err := daemon.DenyCoreDumps(); err != nil {
				return err
			}
			if once {
				return a.runOnce(cmd.Context(), cfg)
			}
			return daemon.Run(cmd.Context(), cfg, a.options(a.hangups))
		},
	}
	cmd.Flags().BoolVar(&once, "once", false,
		"rotate what is due, deliver what is pending, retire what is past its grace, and exit")
	return cmd
}

// options are what a daemon takes beside its configuration. The log is open.
func (a *app) options(hangups *daemon.Hangups) daemon.Options {
	v := version()
	return daemon.Options{
		ConfigPath: a.config, Env: a.env, Log: a.log, Version: v.Version, Revision: v.Revision, BuiltAt: builtAt(), Hangups: hangups,
	}
}

// runOnce does what is due now, and says what failed.
func (a *app) runOnce(ctx context.Context, cfg *config.Config) error {
	failed, err := daemon.RunOnce(ctx, cfg, a.options(a.hangups))
	if len(failed) > 0 {
		err = errors.Join(err, errSlots{failed, len(cfg.Plans())})
	}
	return err
}

// openLog has all that is said from now on go through a log that holds up nobody, and has a reader
// who goes away end nothing.
func (a *app) openLog() {
	if a.log == nil {
		a.log = daemon.OpenLog(a.err)
		a.err = a.log
	}
}

// closeLog waits until all that was said is out, a second at most.
func (a *app) closeLog() {
	if a.log != nil {
		a.log.Close()
	}
}
