package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

var errStopping = errors.New("rotatord is stopping")

// Reload reads the configuration again, and tells of the accounts and sinks that
// do not work as things are; on an error nothing has changed.
func (d *daemon) Reload(ctx context.Context) (warnings []string, err error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	found, err := d.reload(ctx)
	d.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		d.log.Error("reload failed; the former configuration stays in force", zap.Error(err))
		return nil, err
	}
	for _, t := range found {
		warnings = append(warnings, t.err.Error())
	}
	d.log.Info("configuration reloaded", zap.String("file", d.configPath), zap.Int("warnings", len(found)))
	return warnings, nil
}

// reload is Reload. d.reloading is held.
func (d *daemon) reload(ctx context.Context) ([]trouble, error) {
	c := d.core.Load()
	switch {
	case c == nil:
		return nil, errStarting
	case d.stopping:
		return nil, errStopping
	}
	cfg, err := d.backends.Load().cfg.Reload(d.configPath, all.Specs())
	if err != nil {
		return nil, refusedReload(err)
	}
	if err := needsRestart(d.backends.Load().cfg, cfg); err != nil {
		return nil, refusedReload(err)
	}
	found, err := d.apply(ctx, cfg, c.engine)
	if err != nil {
		return nil, refusedReload(err)
	}
	c.engine.Retry(d.backends.Load().logins.AllowOnce())
	return found, nil
}

// refusedReload is about a configuration that cannot be put into force.
func refusedReload(err error) error {
	return fault.Newf(fault.Permanent, fault.Invalid, "reload", "", "%w", err).
		WithHint("the former configuration stays in force")
}

// needsRestart refuses a reload that it could only half carry out.
func needsRestart(old, cfg *config.Config) error {
	var errs []error
	for key, same := range map[string]bool{
		"instance": old.Instance == cfg.Instance, "state": sameConfig(old.State, cfg.State),
		"server": old.Server == cfg.Server, "log.format": old.Log.Format == cfg.Log.Format,
	} {
		if !same {
			errs = append(errs, fmt.Errorf("%s was changed: that takes effect only with a restart", key))
		}
	}
	return errors.Join(errs...)
}

// apply puts a configuration into force, at a start and at a reload, and returns what of it does not work as
// things are. Opening is all that can fail, and comes first.
func (d *daemon) apply(ctx context.Context, cfg *config.Config, e *rotation.Engine) ([]trouble, error) {
	next, err := d.opener().open(ctx, cfg, d.backends.Load())
	if err != nil {
		return nil, err
	}
	d.swapIn(cfg, next, e)
	for _, w := range cfg.Warnings() {
		d.log.Warn("configuration: " + w.String())
	}
	d.logTroubles(next.troubles)
	return next.troubles, nil
}

// swapIn has everything work with cfg, and what the former configuration alone had open be closed in a while.
func (d *daemon) swapIn(cfg *config.Config, next *backends, e *rotation.Engine) {
	d.level.SetLevel(levelOf(cfg.Log))
	d.metrics.SetPerSlot(cfg.Metrics.PerSlot)
	d.metrics.Configure(metricNames(cfg))
	before := d.backends.Swap(next)
	e.Configure(cfg.Plans(), next, next, next.sinkNames())
	if before != nil {
		d.former.closeLater(before, next)
	}
}

func (d *daemon) opener() opener {
	return opener{env: d.env, metrics: d.metrics, warn: func(text string) { d.log.Warn(text) }}
}

// logTroubles tells of what is amiss, a line for each.
func (d *daemon) logTroubles(all []trouble) {
	for _, t := range all {
		what := "this " + t.kind + " does not work as things are; it is tried again, and everything else goes on"
		if t.works {
			what = "this " + t.kind + " cannot read again what lies on disk; what was read before stays in use"
		} else {
			d.markDown(t)
		}
		d.log.Warn(what, zap.String(t.kind, t.name), zap.Error(t.err))
	}
}

// markDown shows a trouble in the metrics.
func (d *daemon) markDown(t trouble) {
	if t.kind == "sink" {
		d.metrics.SinkDown(t.name)
	} else {
		d.metrics.AccountDown(t.name)
	}
}
