package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/moq"
)

func (a *app) devCommand() *cobra.Command {
	strategy := string(moq.Overlap)
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try rotatord on loopback, with nothing to set up",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s := moq.Strategy(strategy); s != moq.Overlap && s != moq.InPlace {
				return errUsage{fmt.Errorf("--strategy takes overlap or in_place, not %q", strategy)}
			}
			ctx, stop := whileTerminalLasts(cmd.Context(), a.in, a.out, a.err)
			defer stop()
			a.openLog()
			return a.runDev(ctx, strategy)
		},
	}
	cmd.Flags().StringVar(&strategy, "strategy", strategy, "overlap or in_place")
	return cmd
}

func (a *app) runDev(ctx context.Context, strategy string) (err error) {
	// Held until all is cleaned up: a second Ctrl-C must not leave half of it behind.
	ctx, stop := signal.NotifyContext(ctx, a.hangups.EndingSignals()...)
	defer stop()
	w, err := newDevWorld(strategy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.cleanUp(w)) }()
	a.config = filepath.Join(w.Dir, "config.yaml")
	for _, w.Listen = range []string{devListen, "127.0.0.1:0"} { // the usual port, so that the usual addresses work
		if err = a.runIn(ctx, w); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return err
}

func (a *app) runIn(ctx context.Context, w *devWorld) error {
	if err := w.writeConfig(a.config); err != nil {
		return err
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	o := a.options(nil)
	o.Started = func(addr string) { a.showAround(w, addr) }
	return daemon.Run(ctx, cfg, o)
}

func (a *app) cleanUp(w *devWorld) error {
	err := w.close()
	if err == nil {
		a.say("\nstopped; %s is removed", w.Dir)
	}
	return err
}

func (a *app) showAround(w *devWorld, addr string) {
	call := callName(os.Executable()) + " -c " + a.config
	a.say(`
rotatord is rotating the tokens of a simulated Cloudflare relay (strategy %s).

  token file    %s
  status page   http://%s/
  metrics       http://%s/metrics
  configuration %s

  Try, in another terminal:
    watch cat %s
    %s status
    %s history
    %s rotate dev

  Only warnings are logged, so that this stays in sight; for all the rest set log.level to info there, and
    %s reload

  Ctrl-C stops and cleans up.
`, w.Strategy, filepath.Join(w.Dir, "tokens", "dev", "publish_subscribe.token"), addr, addr, a.config,
		filepath.Join(w.Dir, "tokens", "dev", "subscribe.token"), call, call, call, call)
}

// callName is how a program is called again: by its path, but for what `go run` has built, whose path nobody types.
func callName(executable string, err error) string {
	switch {
	case err != nil:
		return "rotatord"
	case strings.Contains(executable, "/go-build"):
		return "go run ./cmd/rotatord"
	}
	return executable
}
