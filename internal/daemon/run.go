package daemon

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

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/web"
)

// pagesTime is how long requests in hand may take at a stop, of usualStop.
const pagesTime = 3 * time.Second

// Run runs the daemon until SIGTERM, an interrupt or ctx ends it; a hangup has it reload, one too that
// came before it worked.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	RaiseThreads()
	defer o.Log.LastWords()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	d := newDaemon(cfg, o)
	d.warnOfRoot()
	defer hearLibraries(d.log)()
	server, served, err := d.startPages(cfg)
	if err != nil {
		return err
	}
	announce := func() {
		d.announceReady(server.Addr(), cfg)
		if o.Started != nil {
			o.Started(server.Addr())
		}
	}
	if cfg.State.Etcd == nil {
		err = d.startAlone(ctx, cfg, announce)
	} else {
		err = d.startReplica(ctx, cfg, server, announce)
	}
	if err == nil && d.backends.Load() != nil { // else it was told to stop meanwhile
		err = d.serve(ctx, served, o.Hangups.reloads())
	}
	err = errors.Join(err, d.teardown.run(d.shutdownTimeout(cfg)))
	d.log.Info("stopped")
	return err
}

// startAlone opens the journal of this machine and has the slots work, patiently.
func (d *daemon) startAlone(ctx context.Context, cfg *config.Config, announce func()) error {
	err := d.openPatiently(ctx, cfg)
	if c := d.core.Load(); err == nil && c != nil {
		announce()
		_ = d.warnOfUnsetClock()
		d.startBackground(ctx, c, &d.teardown)
	}
	return err
}

// startPages makes the pages reachable; they say 503 until the journal is open. served is told what ends them.
func (d *daemon) startPages(cfg *config.Config) (_ *web.Server, served <-chan error, err error) {
	mode, err := strconv.ParseUint(cfg.Server.AdminSocketMode, 8, 32)
	if err != nil {
		return nil, nil, fmt.Errorf("server.admin_socket_mode: %w", err)
	}
	s := web.New(web.Options{
		Daemon: d, Metrics: d.metrics.Handler(), Log: d.log, Version: d.version, Instance: cfg.Instance,
		Listen: cfg.Server.Listen, WebConfigFile: cfg.Server.WebConfigFile, Connections: descriptorsFor(cfg).pages,
		Insecure: cfg.Server.Insecure, AuthFailed: d.metrics.AuthFailed,
		AdminSocket: cfg.Server.AdminSocket, AdminSocketMode: fs.FileMode(mode),
		AdminSocketGroup: cfg.Server.AdminSocketGroup, Replicas: d.newForward(cfg.State.Etcd != nil),
	})
	if err := s.Listen(); err != nil {
		return nil, nil, err
	}
	if s.Replicas != nil {
		s.Replicas.Name = replicaName(s.Addr())
	}
	ended := make(chan error, 1)
	go func() {
		defer d.lines.LastWords()
		ended <- s.Serve()
	}()
	d.teardown.add("pages", pagesTime, func(ctx context.Context) error { return shutDown(ctx, s) })
	return s, ended, nil
}

// shutDown ends the pages. That a request was still in hand, and is cut off, is no fault.
func shutDown(ctx context.Context, s *web.Server) error {
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// shutdownTimeout is how long a stop may take by the configuration in force; first is that of the start.
func (d *daemon) shutdownTimeout(first *config.Config) time.Duration {
	if b := d.backends.Load(); b != nil {
		return b.cfg.ShutdownTimeout
	}
	return first.ShutdownTimeout
}

func (d *daemon) announceReady(addr string, cfg *config.Config) {
	fields := []zap.Field{
		zap.String("version", d.version), zap.String("listen", addr),
		zap.String("admin_socket", cfg.Server.AdminSocket), zap.Int("slots", len(cfg.Plans())),
	}
	if limit, ok := memoryLimit(); ok {
		fields = append(fields, zap.Int64("memory_limit_bytes", limit))
	}
	d.log.Info("rotatord is ready", fields...)
	notifyReady()
}

// serve works until ctx ends or a listener fails.
func (d *daemon) serve(ctx context.Context, served <-chan error, hangups <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			d.log.Info("stopping: finishing the steps in hand")
			notifyStopping(d.backends.Load().cfg.ShutdownTimeout)
			return nil
		case err := <-served:
			return err
		case <-hangups:
			notifyReloading()
			_, _ = d.Reload(ctx) // logged
			notifyReady()
		}
	}
}
