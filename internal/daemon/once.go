package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/slot"
)

var errToldToStop = errors.New("told to stop before anything was begun; run again to do what is due")

// namedUnfinished is how many slots a single run names that it has left unfinished.
const namedUnfinished = 10

// errUnfinished says which slots a single run has left because it was told to stop.
type errUnfinished struct {
	names []string // with their states; the first of them
	count int
	of    int // slots in all
}

// Error says that nothing is lost, too.
func (e errUnfinished) Error() string {
	names := strings.Join(e.names, ", ")
	if more := e.count - len(e.names); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("told to stop before all was done: of %d slots %d are unfinished: %s; run again: what was begun goes on from the journal",
		e.of, e.count, names)
}

// RunOnce does what is due now, until nothing is left or a signal ends it, and returns the slots that failed. That some
// are left unfinished because of a signal is an error, as who waits for the end takes them for done without one.
func RunOnce(ctx context.Context, cfg *config.Config, o Options) (failed []slot.Status, err error) {
	RaiseThreads()
	defer o.Log.LastWords()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, cancel := o.Hangups.untilHangup(ctx)
	defer cancel()
	d := newDaemon(cfg, o)
	d.warnOfRoot()
	defer hearLibraries(d.log)()
	if err := d.openOnce(ctx, cfg); ctx.Err() != nil {
		return nil, errors.Join(errToldToStop, d.teardown.run(cfg.ShutdownTimeout))
	} else if err != nil {
		return nil, err
	}
	if d.warnOfUnsetClock() {
		d.accounts.askTwice(ctx)
		d.core.Load().engine.WakeAll()
	}
	c := d.core.Load()
	ctx, cancel = untilOver(ctx, c.term)
	defer cancel()
	c.quiesce(ctx)
	told := ctx.Err() != nil
	err = d.teardown.run(cfg.ShutdownTimeout)
	if told {
		err = errors.Join(c.unfinished(), err)
	}
	return c.failing(), err
}

// openOnce opens what a single run works with. Of several replicas it has to lead.
func (d *daemon) openOnce(ctx context.Context, cfg *config.Config) error {
	if cfg.State.Etcd == nil {
		return d.open(ctx, cfg)
	}
	r, err := d.newReplica(ctx, cfg, replicaName(""), func() {})
	if err == nil {
		err = r.leadOnce(ctx)
	}
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, d.teardown.run(cfg.ShutdownTimeout))
	}
	return err
}

// quiesce runs the alarms until no slot has anything left to do at once.
func (c *core) quiesce(ctx context.Context) {
	alarms, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.queue.Run(alarms, c.engine.Wake)
	c.engine.Quiesce(ctx)
}

func (c *core) failing() (failing []slot.Status) {
	c.engine.Statuses(func(s *slot.Status) bool {
		if s.ConsecutiveFailures > 0 {
			failing = append(failing, *s)
		}
		return true
	})
	return failing
}

// unfinished returns an error about the slots that have something left to do at once; nil when none has.
func (c *core) unfinished() error {
	var e errUnfinished
	c.engine.Statuses(func(*slot.Status) bool { e.of++; return true })
	c.engine.Unfinished(func(s *slot.Status) {
		if e.count++; e.count <= namedUnfinished {
			e.names = append(e.names, fmt.Sprintf("%s (%s)", s.Slot, s.State))
		}
	})
	if e.count == 0 {
		return nil
	}
	return e
}
