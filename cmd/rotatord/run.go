package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/threads"
	"github.com/rotatord/rotatord/internal/web"
)

const (
	stopTime   = 25 * time.Second // for the steps in hand
	closeTime  = 3 * time.Second  // for the pages; with the 2 s that sinks take to close, 30 s in all
	startRetry = 2 * time.Second  // between tries to open a state folder that cannot be written
)

var errToldToStop = errors.New("told to stop before anything was begun")

func (a *app) runCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: rotate on schedule until told to stop",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.openLog()
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if err := noCoreDumps(); err != nil {
				return err
			}
			if once {
				return a.runOnce(cmd.Context(), cfg)
			}
			return a.runDaemon(cmd.Context(), cfg, a.hangups.signals, nil)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "rotate what is due, deliver what is pending, retire what is past its grace, and exit")
	return cmd
}

// runDaemon runs until a signal or ctx ends it; hangups have it reload, those too that
// came before it worked. started, if given, is called with the address of the listener once it does.
func (a *app) runDaemon(ctx context.Context, cfg *config.Config, hangups <-chan os.Signal, started func(addr string)) error {
	threads.Spare()
	defer a.log.LastWords()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	d := newDaemon(a.config, cfg, a.env, a.log)
	// What libraries print of themselves goes the same way.
	defer zap.RedirectStdLog(d.log)() //nolint:forbidigo // nobody of ours logs there
	server, err := d.listen(cfg)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() {
		defer a.log.LastWords()
		served <- server.Serve()
	}()

	err = d.openPatiently(ctx, cfg)
	if err == nil {
		d.announce(server.Addr(), cfg)
		if started != nil {
			started(server.Addr())
		}
		err = d.serve(ctx, served, hangups)
	}
	return errors.Join(err, d.shutdown(server))
}

// listen makes the pages reachable; they say 503 until the journal is open.
func (d *daemon) listen(cfg *config.Config) (*web.Server, error) {
	mode, err := strconv.ParseUint(cfg.Server.AdminSocketMode, 8, 32)
	if err != nil {
		return nil, errUsage{fmt.Errorf("server.admin_socket_mode: %w", err)}
	}
	s := web.New(web.Options{
		Daemon: d, Metrics: d.handler(), Log: d.log, Version: version().Version, Instance: cfg.Instance,
		Listen: cfg.Server.Listen, WebConfigFile: cfg.Server.WebConfigFile, Connections: descriptorsFor(cfg).pages,
		AdminSocket: cfg.Server.AdminSocket, AdminSocketMode: fs.FileMode(mode), AdminSocketGroup: cfg.Server.AdminSocketGroup,
	})
	return s, s.Listen()
}

// openPatiently opens the journal. A folder that cannot be written is waited
// for, not ready meanwhile; what only a person can mend ends the start.
func (d *daemon) openPatiently(ctx context.Context, cfg *config.Config) error {
	for {
		err := d.open(ctx, cfg)
		if err == nil || !passes(err) {
			return err
		}
		d.unready(err)
		d.log.Error("cannot start yet; trying again", zap.Error(err), zap.Duration("retry_in", startRetry))
		if !wait(ctx, startRetry) {
			return nil
		}
	}
}

// passes tells a disk's trouble, which may end by itself, from what will not.
func passes(err error) bool {
	for _, lasting := range []error{journal.ErrInUse, journal.ErrNewer, journal.ErrDamaged} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return fault.Of(err).Reason == fault.Storage
}

func (d *daemon) announce(addr string, cfg *config.Config) {
	v := version()
	fields := []zap.Field{
		zap.String("version", v.Version), zap.String("listen", addr),
		zap.String("admin_socket", cfg.Server.AdminSocket), zap.Int("slots", len(cfg.Slots())),
	}
	if limit, ok := memoryLimit(); ok {
		fields = append(fields, zap.Int64("memory_limit_bytes", limit))
	}
	d.log.Info("rotatord is ready", fields...)
	_, _ = systemd.SdNotify(false, systemd.SdNotifyReady)
}

// serve works until ctx ends or a listener fails.
func (d *daemon) serve(ctx context.Context, served <-chan error, hangups <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if d.core.Load() == nil {
		return nil // told to stop before the start was done
	}
	worked := make(chan struct{})
	go func() { d.work(ctx); close(worked) }()
	defer func() { cancel(); <-worked }()
	for {
		select {
		case <-ctx.Done():
			d.log.Info("stopping: finishing the steps in hand")
			_, _ = systemd.SdNotify(false, systemd.SdNotifyStopping)
			return nil
		case err := <-served:
			return err
		case <-hangups:
			d.notifiedReload(ctx)
		}
	}
}

func (d *daemon) notifiedReload(ctx context.Context) {
	_, _ = systemd.SdNotify(false, systemd.SdNotifyReloading+"\n"+monotonicUsec())
	_, _ = d.Reload(ctx) // logged
	_, _ = systemd.SdNotify(false, systemd.SdNotifyReady)
}

// monotonicUsec is what systemd wants with RELOADING=1.
func monotonicUsec() string {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return fmt.Sprintf("MONOTONIC_USEC=%d", ts.Nano()/1000)
}

// watchdog tells systemd that rotatord is alive, at half the time it allows.
func (d *daemon) watchdog(ctx context.Context) {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	for wait(ctx, every/2) {
		_, _ = systemd.SdNotify(false, systemd.SdNotifyWatchdog)
	}
}

func (d *daemon) shutdown(server *web.Server) error {
	steps, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := d.close(steps)
	rest, cancel2 := context.WithTimeout(context.Background(), closeTime)
	defer cancel2()
	err = errors.Join(err, server.Shutdown(rest))
	d.log.Info("stopped")
	return err
}

// runOnce does what is due now and exits.
func (a *app) runOnce(ctx context.Context, cfg *config.Config) error {
	threads.Spare()
	defer a.log.LastWords()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, cancel := a.hangups.endsAtHangup(ctx)
	defer cancel()
	d := newDaemon(a.config, cfg, a.env, a.log)
	defer zap.RedirectStdLog(d.log)() //nolint:forbidigo // nobody of ours logs there
	if err := d.open(ctx, cfg); ctx.Err() != nil {
		return errors.Join(errToldToStop, d.close(context.Background()))
	} else if err != nil {
		return err
	}
	c := d.core.Load()
	work, quit := context.WithCancel(ctx)
	go c.queue.Run(work, c.engine.Wake)
	c.engine.Quiesce(ctx)
	quit()
	failing := 0
	c.engine.Slots(func(s *slot.Status) bool {
		if s.Failures > 0 {
			failing++
			_, _ = fmt.Fprintf(a.err, "%s: %s: %s\n", s.Slot, s.Failure.Stage, redact.Line(s.Failure.Message))
		}
		return true
	})
	steps, cancelSteps := context.WithTimeout(context.Background(), stopTime)
	defer cancelSteps()
	if err := d.close(steps); err != nil {
		return err
	}
	if failing > 0 {
		return fmt.Errorf("%d of %d slots failed; run again to retry", failing, len(cfg.Slots()))
	}
	return nil
}
