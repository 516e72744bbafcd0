package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/all"
	"github.com/rotatord/rotatord/internal/slot"
)

// daemon is one running rotatord: everything that lives as long as the process.
type daemon struct {
	configPath string
	env        environment
	lines      *logging.Log
	log        *zap.Logger
	level      zap.AtomicLevel
	metrics    *metrics.Metrics

	reloading  sync.Mutex
	ports      atomic.Pointer[ports]
	departures departures
	core       atomic.Pointer[core] // nil until the journal is open
	starting   atomic.Pointer[error]
}

// core is what needs the journal.
type core struct {
	journal  *journal.Bolt
	identity *secret.Identity
	// identityErr is why the identity could not be written anew, the last time; who watches the storage uses it.
	identityErr error

	engine *rotation.Engine
	queue  *scheduler.Queue[*moq.Key]
}

var errStarting = errors.New("rotatord is starting")

func newDaemon(configPath string, cfg *config.Config, env environment, lines *logging.Log) *daemon {
	d := &daemon{configPath: configPath, env: env, lines: lines, level: zap.NewAtomicLevelAt(levelOf(cfg.Log))}
	d.log = newLogger(lines, d.level, cfg.Log.Format)
	v := version()
	d.metrics = metrics.New(metrics.Options{
		Version: v.Version, Revision: v.Revision, PerSlot: cfg.Metrics.PerSlot, LogDropped: lines.Dropped,
	})
	d.metrics.Watch(d)
	d.metrics.Leader(true) // without replicas there is nobody else
	d.metrics.Configure(metricNames(cfg))
	d.metrics.Reloaded(true, time.Now())
	d.unready(errStarting)
	return d
}

// open opens the journal and puts cfg into force.
func (d *daemon) open(ctx context.Context, cfg *config.Config) error {
	wanted := plans(cfg)
	c, err := d.openCore(ctx, cfg, wanted)
	if err != nil {
		return err
	}
	if _, err := d.adopt(ctx, cfg, wanted, c.engine); err != nil {
		return errors.Join(err, c.journal.Close())
	}
	d.core.Store(c)
	d.unready(nil)
	return nil
}

func (d *daemon) openCore(ctx context.Context, cfg *config.Config, wanted []*slot.Plan) (*core, error) {
	j, id, err := openState(cfg.State, journal.Options{
		Observe: d.metrics.JournalWrite, Warn: func(text string) { d.log.Warn("journal: " + text) },
	}, secret.ThisProcess(d.env.Environment, func(text string) { d.log.Warn("permissions: " + text) }))
	if err != nil {
		return nil, err
	}
	c := &core{journal: j, identity: id, queue: scheduler.NewQueue[*moq.Key](time.Now)}
	c.engine = rotation.New(rotation.Options{
		Instance: cfg.Instance, Journal: j, Sealer: id, Alarm: c.queue,
		Clock: rotation.NewSystemClock(), Observer: d.metrics, Log: d.log,
	})
	if err := c.engine.Load(ctx, wanted); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return c, nil
}

// adopt puts a configuration into force, and gives what of it does not work as
// things are. All that can fail comes first.
func (d *daemon) adopt(ctx context.Context, cfg *config.Config, wanted []*slot.Plan, e *rotation.Engine) ([]trouble, error) {
	before := d.ports.Load()
	next, err := openPorts(ctx, cfg, before, d.surroundings())
	if err != nil {
		return nil, err
	}
	d.level.SetLevel(levelOf(cfg.Log))
	d.metrics.SetPerSlot(cfg.Metrics.PerSlot)
	d.metrics.Configure(metricNames(cfg))
	d.ports.Store(next)
	e.Configure(wanted, next, next, next.sinkNames())
	if before != nil {
		d.departures.add(before, next)
	}
	for _, w := range cfg.Warnings() {
		d.log.Warn("configuration: " + w.String())
	}
	d.warn(next.troubles)
	return next.troubles, nil
}

func (d *daemon) surroundings() surroundings {
	return surroundings{environment: d.env, metrics: d.metrics, warn: func(text string) { d.log.Warn(text) }}
}

// warn tells of what is amiss, a line for each.
func (d *daemon) warn(all []trouble) {
	for _, t := range all {
		what := "this " + t.kind + " does not work as things are; it is tried again, and everything else goes on"
		if t.works {
			what = "this " + t.kind + " cannot read again what lies on disk; what was read before stays in use"
		} else {
			d.down(t)
		}
		d.log.Warn(what, zap.String(t.kind, t.name), zap.Error(t.err))
	}
}

func (d *daemon) down(t trouble) {
	if t.kind == "sink" {
		d.metrics.Probed(t.name, false, time.Now())
	} else {
		d.metrics.Up(t.name, false)
	}
}

func metricNames(cfg *config.Config) (slots []metrics.SlotRef, sinks []metrics.SinkRef, accounts []string) {
	for _, s := range cfg.Slots() {
		slots = append(slots, metrics.SlotRef{Relay: s.Relay, Type: s.Key.Type, Account: s.Account, Strategy: s.Strategy})
	}
	for name, spec := range cfg.Sinks {
		sinks = append(sinks, metrics.SinkRef{Name: name, Type: spec.Shared().Type})
	}
	for name := range cfg.Accounts {
		accounts = append(accounts, name)
	}
	return slots, sinks, accounts
}

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

func (d *daemon) reload(ctx context.Context) ([]trouble, error) {
	c := d.core.Load()
	if c == nil {
		return nil, errStarting
	}
	cfg, err := d.ports.Load().cfg.Reload(d.configPath, all.Specs())
	if err != nil {
		return nil, refused(err)
	}
	if err := needsRestart(d.ports.Load().cfg, cfg); err != nil {
		return nil, refused(err)
	}
	found, err := d.adopt(ctx, cfg, plans(cfg), c.engine)
	if err != nil {
		return nil, refused(err)
	}
	c.engine.Retry(d.ports.Load().logins.AllowOnce())
	return found, nil
}

// refused is about a configuration that cannot be put into force.
func refused(err error) error {
	return fault.Newf(fault.Permanent, fault.Invalid, "reload", "", "%w", err).
		WithHint("the former configuration stays in force")
}

// needsRestart refuses a reload that it could only half carry out.
func needsRestart(old, cfg *config.Config) error {
	var errs []error
	for key, same := range map[string]bool{
		"instance": old.Instance == cfg.Instance, "state": same(old.State, cfg.State),
		"server": old.Server == cfg.Server, "log.format": old.Log.Format == cfg.Log.Format,
	} {
		if !same {
			errs = append(errs, fmt.Errorf("%s was changed: that takes effect only with a restart", key))
		}
	}
	return errors.Join(errs...)
}

// work runs the schedule until ctx ends, and watches the clocks and the journal.
func (d *daemon) work(ctx context.Context) {
	c := d.core.Load()
	var wg sync.WaitGroup
	for _, part := range []func(){
		func() { c.queue.Run(ctx, c.engine.Wake) },
		func() { d.watchClock(ctx, c.engine) },
		func() { d.watchStorage(ctx, c) },
		func() { d.watchLogins(ctx, c.engine) },
		func() { tidyMemory(ctx, c.journal.Unmap) },
		func() { d.watchdog(ctx) },
	} {
		wg.Go(func() {
			defer d.lines.LastWords()
			part()
		})
	}
	wg.Wait()
}

const (
	clockCheck   = 30 * time.Second
	standstill   = 2 * time.Minute // a gap in the checks that means the process was not running
	storageCheck = 10 * time.Second
	storageRetry = time.Second
	loginsCheck  = 5 * time.Second
)

// watchClock notices that the process stood still: a suspended machine.
func (d *daemon) watchClock(ctx context.Context, e *rotation.Engine) {
	last := time.Now().Round(0)
	for wait(ctx, clockCheck) {
		now := time.Now().Round(0)
		if now.Sub(last) > standstill {
			d.log.Info("time passed without rotatord running; catching up", zap.Duration("gap", now.Sub(last)))
			e.Resumed()
		}
		last = now
	}
}

// watchStorage keeps readiness true to whether the journal can be written.
func (d *daemon) watchStorage(ctx context.Context, c *core) {
	every := storageCheck
	for wait(ctx, every) {
		every = storageCheck
		err := c.engine.CheckStorage()
		if err != nil {
			every = storageRetry
		}
		if err == nil || errors.Is(err, slot.ErrRecordsLost) { // it was in the same folder
			d.keepIdentity(c)
		}
	}
}

// watchLogins notices that a secret which a store refused was replaced.
func (d *daemon) watchLogins(ctx context.Context, e *rotation.Engine) {
	for wait(ctx, loginsCheck) {
		if names := d.ports.Load().logins.Renewed(); len(names) > 0 {
			d.log.Info("a refused login has a new secret; it is tried now", zap.Strings("sinks", names))
			e.Retry(names)
		}
	}
}

// wait sleeps, and tells false when ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// close finishes what is in hand and lets everything go.
func (d *daemon) close(ctx context.Context) error {
	c := d.core.Load()
	if c == nil {
		return nil
	}
	err := c.engine.Stop(ctx)
	if c.engine.StorageErr() == nil {
		d.keepIdentity(c)
	}
	closing := d.departures.now()
	if p := d.ports.Load(); p != nil {
		closing = append(closing, func() error { return p.closeBut(nil) })
	}
	return errors.Join(err, sideBySide(closing), c.journal.Close())
}

func (d *daemon) unready(err error) { d.starting.Store(&err) }

// Ready is nil, or why this daemon cannot do its work at present.
func (d *daemon) Ready() error {
	if err := *d.starting.Load(); err != nil {
		return err
	}
	return d.core.Load().engine.StorageErr()
}

// The rest of what the pages and the API ask for.

func (d *daemon) Slots(yield func(*slot.Status) bool) {
	if c := d.core.Load(); c != nil {
		c.engine.Slots(yield)
	}
}

func (d *daemon) Slot(relay, typ string) (slot.Status, bool) {
	c := d.core.Load()
	if c == nil {
		return slot.Status{}, false
	}
	return c.engine.Slot(relay, typ)
}

func (d *daemon) Rotate(ctx context.Context, relay, typ, by string, compromised bool) (slot.Status, error) {
	c := d.core.Load()
	if c == nil {
		return slot.Status{}, errStarting
	}
	d.ports.Load().logins.AllowOnce() // who asks may have mended what was refused
	return c.engine.Rotate(ctx, relay, typ, by, compromised)
}

func (d *daemon) History(ctx context.Context, relay, typ string, limit int) ([]slot.Event, error) {
	c := d.core.Load()
	if c == nil {
		return nil, errStarting
	}
	return rotation.NewAdministration(c.engine).History(ctx, relay, typ, limit)
}

func (d *daemon) Tokens(ctx context.Context, relay string) ([]slot.RelayToken, error) {
	c := d.core.Load()
	if c == nil {
		return nil, errStarting
	}
	return rotation.NewAdministration(c.engine).Tokens(ctx, relay)
}

func (d *daemon) Prune(ctx context.Context, relay string, dryRun bool) ([]slot.RelayToken, error) {
	c := d.core.Load()
	if c == nil {
		return nil, errStarting
	}
	return rotation.NewAdministration(c.engine).Prune(ctx, relay, dryRun)
}

func (d *daemon) Plan(within time.Duration) []slot.PlannedRun {
	c := d.core.Load()
	if c == nil {
		return nil
	}
	return soonest(rotation.NewAdministration(c.engine).Upcoming(time.Now().Add(within)))
}

// maxPlanned bounds what is listed at once.
const maxPlanned = 10_000

func soonest(runs []slot.PlannedRun) []slot.PlannedRun {
	slices.SortFunc(runs, func(a, b slot.PlannedRun) int { return a.At.Compare(b.At) })
	return runs[:min(len(runs), maxPlanned)]
}

func (d *daemon) handler() http.Handler { return d.metrics.Handler() }
