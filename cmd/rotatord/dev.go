package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/moq"
)

//go:embed dev.yaml.tmpl
var devConfig string

const (
	devAccount = "023e105f4ecef8ad9ca31a8372d0c353"
	devRelay   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	devListen  = "127.0.0.1:9476"
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
			a.openLog()
			return a.runDev(cmd.Context(), strategy)
		},
	}
	cmd.Flags().StringVar(&strategy, "strategy", strategy, "overlap or in_place")
	return cmd
}

// devWorld is what `dev` sets up and takes away again.
type devWorld struct {
	Dir, API, Listen, Strategy, Account, Relay string
	cloudflare                                 *http.Server
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

func newDevWorld(strategy string) (*devWorld, error) {
	dir, err := os.MkdirTemp("", "rotatord-dev-")
	if err != nil {
		return nil, err
	}
	w := &devWorld{Dir: dir, Strategy: strategy, Account: devAccount, Relay: devRelay}
	if err := w.startCloudflare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return w, nil
}

func (w *devWorld) startCloudflare() error {
	sim := cfsim.New(cfsim.Options{})
	sim.AddAccount(devAccount, cfsim.Both)
	sim.AddAPIToken("dev-api-token", cfsim.Edit, devAccount)
	sim.AddRelay(devAccount, devRelay, "dev")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.API = "http://" + l.Addr().String() + "/client/v4"
	w.cloudflare = &http.Server{Handler: sim, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = w.cloudflare.Serve(l) }()
	return nil
}

func (w *devWorld) writeConfig(path string) error {
	if err := os.WriteFile(filepath.Join(w.Dir, "api-token"), []byte("dev-api-token\n"), 0o600); err != nil {
		return err
	}
	var b strings.Builder
	if err := template.Must(template.New("dev").Parse(devConfig)).Execute(&b, w); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

func (w *devWorld) close() error {
	return errors.Join(w.cloudflare.Close(), os.RemoveAll(w.Dir))
}

func (a *app) showAround(w *devWorld, addr string) {
	a.say(`
rotatord is rotating the tokens of a simulated Cloudflare relay (strategy %s).

  token file    %s
  status page   http://%s/
  metrics       http://%s/metrics
  configuration %s

  Try, in another terminal:
    watch cat %s
    go run ./cmd/rotatord -c %s status
    go run ./cmd/rotatord -c %s rotate dev

  Ctrl-C stops and cleans up.
`, w.Strategy, filepath.Join(w.Dir, "tokens", "dev", "publish_subscribe.token"), addr, addr, a.config,
		filepath.Join(w.Dir, "tokens", "dev", "subscribe.token"), a.config, a.config)
}
