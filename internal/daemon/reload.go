package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

var errStopping = errors.New("rotatord is stopping")

// Reload reads the configuration again, and tells what has changed and which accounts and sinks
// do not work as things are; on an error nothing has changed.
func (d *daemon) Reload(ctx context.Context) (adminapi.ReloadResult, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	result, warned, err := d.reload(ctx)
	d.noteReload(err, time.Now())
	if err != nil {
		d.log.Error("reload failed; the former configuration stays in force", zap.Error(err))
		return adminapi.ReloadResult{}, err
	}
	d.log.Info("configuration reloaded", zap.String("file", d.configPath), zap.Int("warnings", warned),
		zap.Strings("changes", result.Lines()))
	return result, nil
}

// noteReload has the metrics, the page and `status` tell how a reload ended.
func (d *daemon) noteReload(err error, at time.Time) {
	d.metrics.Reloaded(err == nil, at)
	switch {
	case err == nil:
		d.refusedAt.Store(nil)
	case !errors.Is(err, errStarting) && !errors.Is(err, errStopping):
		d.refusedAt.Store(&at)
	}
}

// reload is Reload, and counts what was warned of. d.reloading is held.
func (d *daemon) reload(ctx context.Context) (out adminapi.ReloadResult, warned int, err error) {
	inForce := d.backends.Load()
	switch {
	case inForce == nil:
		return out, 0, errStarting
	case d.stopping:
		return out, 0, errStopping
	}
	before, e := inForce.cfg, d.engine()
	cfg, err := before.Reload(d.configPath, all.Specs())
	if err != nil {
		return out, 0, refusedReload(err)
	}
	if out, err = d.examine(ctx, before, cfg, e); err != nil {
		return out, 0, refusedReload(err)
	}
	found, err := d.apply(ctx, cfg, e)
	if err != nil {
		return out, 0, refusedReload(err)
	}
	d.awaitsRestart.Store(&out.NeedsRestart)
	if names := d.backends.Load().logins.AllowOnce(); e != nil {
		e.Retry(names)
	}
	for _, t := range found {
		out.Warnings = append(out.Warnings, t.err.Error())
	}
	if r := d.replica.Load(); r != nil {
		out.Warnings = append(out.Warnings, r.differences()...)
	}
	return out, len(out.Warnings) + len(cfg.Warnings()), nil
}

// examine says what cfg changes, or why it cannot be put into force.
func (d *daemon) examine(ctx context.Context, before, cfg *config.Config, e *rotation.Engine) (out adminapi.ReloadResult, err error) {
	out, err = d.compare(before, cfg, e)
	if r := d.replica.Load(); err == nil && r != nil {
		err = r.agreeOnNew(ctx, before, cfg)
	}
	return out, err
}

// refusedReload is about a configuration that cannot be put into force.
func refusedReload(err error) error {
	between := ": "
	if strings.Contains(err.Error(), "\n") {
		between = ":\n"
	}
	return fault.Newf(fault.Permanent, fault.Invalid, "", "", "reload refused, the former configuration stays in force%s%w", between, err)
}

// apply puts a configuration into force, at a start and at a reload, and returns what of it does not work as
// things are. Opening is all that can fail, and comes first. Without an engine it is that of the next term's.
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
	if r := d.replica.Load(); r != nil {
		r.fleet.Store(cfg)
	}
	if e != nil {
		e.Configure(cfg.Plans(), next, next, next.sinkNames())
	}
	if before != nil {
		d.former.closeLater(before, next)
	}
}

func (d *daemon) opener() opener {
	o := opener{env: d.env, metrics: d.metrics, warn: func(text string) { d.log.Warn(text) }}
	if r := d.replica.Load(); r != nil {
		o.mayAct = r.mayAct
	}
	return o
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
