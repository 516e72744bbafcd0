// Package daemon puts rotatord together and takes it apart again.
//
// Everything with a life of its own is opened here, in one order: the pages, which say that rotatord is
// starting; the journal; accounts and sinks; the slots' engine; and last what runs beside it, the schedule
// and the watches. Whatever is opened leaves behind how it is stopped, by name and within a time (teardown),
// so that a stop, and an opening that fails half way, take the same steps in reverse, and one that hangs
// or fails keeps none of the others from being taken.
//
// A reload does all that can fail first, beside what is in force, and only then swaps (apply): one that
// fails has changed nothing. An account or a sink that cannot be opened is no failure of a start or of a
// reload, but its own trouble: it is told, and tried again with its next call.
//
// Nothing but the command line imports this package.
package daemon

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/metrics"
)

// Options are what a run takes beside its configuration.
type Options struct {
	ConfigPath        string // is read again by a reload
	Env               Environment
	Log               *logging.Log
	Version, Revision string    // of the program
	BuiltAt           time.Time // no clock that is right is before it; zero: not known
	Hangups           *Hangups  // each is a reload, or ends a single run; nil for none

	// Started, unless it is nil, is called with the address of the listener once the daemon works.
	Started func(addr string)
}

// daemon is one running rotatord: everything that lives as long as the process.
// It implements web.Daemon, whose methods may be called at any time.
type daemon struct {
	configPath string
	started    *config.Config // that the process was started with, without its fleet
	builtAt    time.Time
	version    string
	env        Environment
	lines      *logging.Log
	log        *zap.Logger
	level      zap.AtomicLevel
	metrics    *metrics.Metrics

	reloading sync.Mutex
	stopping  bool // guarded by reloading: no reload opens anything any more
	// awaitsRestart are the keys that the file now has otherwise than the process was started with; nil: none.
	awaitsRestart atomic.Pointer[[]string]
	// refusedAt is when the last reload was refused; nil: it was not.
	refusedAt atomic.Pointer[time.Time]
	backends  atomic.Pointer[backends]
	former    formerBackends
	accounts  *accountWatch
	core      atomic.Pointer[core]    // nil until the journal is open, and while another replica leads
	replica   atomic.Pointer[replica] // nil where this process is alone
	starting  atomic.Pointer[error]
	teardown  teardown // of the goroutine that opens and stops
}

func newDaemon(cfg *config.Config, o Options) *daemon {
	d := &daemon{
		configPath: o.ConfigPath, started: cfg.WithoutFleet(), builtAt: o.BuiltAt, version: o.Version, env: o.Env, lines: o.Log,
		level: zap.NewAtomicLevelAt(levelOf(cfg.Log)), teardown: teardown{lines: o.Log},
	}
	d.log = logging.NewLogger(o.Log, d.level, cfg.Log.Format)
	d.metrics = metrics.New(metrics.Options{
		Version: o.Version, Revision: o.Revision, PerSlot: cfg.Metrics.PerSlot, LogDropped: o.Log.Dropped,
	})
	d.metrics.Watch(d)
	d.metrics.WatchJournal(d.journalSize)
	d.metrics.WatchState(func() int64 { return d.stateFree(cfg.State) })
	d.metrics.WatchStandby(d.behind)
	d.accounts = &accountWatch{
		lines: o.Log, log: d.log, metrics: d.metrics, backends: d.backends.Load, elapsed: sinceBoot,
		ofReplicas: cfg.State.Etcd != nil, seen: map[string]*seenAccount{},
	}
	d.metrics.WatchClocks(d.accounts.eachOffset)
	d.metrics.WatchWaits(d.eachAccountsWaiting)
	if cfg.State.Etcd == nil {
		d.metrics.Leader(time.Now()) // there is nobody else
	}
	d.metrics.Configure(metricNames(cfg))
	d.metrics.Reloaded(true, time.Now())
	d.unready(errStarting)
	return d
}

func metricNames(cfg *config.Config) (slots []metrics.SlotRef, sinks []metrics.SinkRef, accounts []string) {
	for _, p := range cfg.Plans() {
		slots = append(slots, metrics.SlotRef{Relay: p.Relay, Type: p.Key.Type, Account: p.Account, Strategy: p.Strategy})
	}
	for name, spec := range cfg.Sinks {
		sinks = append(sinks, metrics.SinkRef{Name: name, Type: spec.Shared().Type, ProbeInterval: spec.Shared().ProbeInterval})
	}
	for name := range cfg.Accounts {
		accounts = append(accounts, name)
	}
	return slots, sinks, accounts
}
