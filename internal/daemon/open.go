package daemon

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
)

// How long each part may take to stop, of usualStop.
const (
	slotsTime    = 24 * time.Second // for the steps in hand
	backendsTime = 7 * time.Second  // a sink takes 2 s at most; before that a reload in hand ends
	journalTime  = 10 * time.Second // to write what is only in its log into its database
)

// startRetry is the time between tries to open a state folder that cannot be written.
const startRetry = 2 * time.Second

var errStarting = errors.New("rotatord is starting")

// openPatiently opens the journal. A folder that cannot be written is waited
// for, not ready meanwhile; what only a person can mend ends the start. So does the end of ctx,
// without an error, and then nothing is open.
func (d *daemon) openPatiently(ctx context.Context, cfg *config.Config) error {
	for {
		err := d.open(ctx, cfg)
		if err == nil || !mayPass(err) {
			return err
		}
		d.unready(err)
		notifyStatus("cannot start yet: " + redact.Printable(err.Error()))
		d.log.Error("cannot start yet; trying again", zap.Error(err), zap.Duration("retry_in", startRetry))
		if !wait(ctx, startRetry) {
			return nil
		}
	}
}

// mayPass reports whether an error is of a disk's trouble, which may end by itself.
func mayPass(err error) bool {
	for _, lasting := range []error{journal.ErrInUse, journal.ErrNewer, journal.ErrDamaged} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return fault.Of(err).Reason == fault.Storage
}

// open opens the journal and puts cfg into force. If it fails, nothing stays open.
func (d *daemon) open(ctx context.Context, cfg *config.Config) error {
	opened := teardown{lines: d.lines}
	c, err := d.openCore(ctx, cfg, &opened)
	if err != nil {
		return errors.Join(err, opened.run(cfg.ShutdownTimeout))
	}
	d.teardown.moveFrom(&opened)
	d.core.Store(c)
	d.unready(nil)
	return nil
}

// openCore opens the journal, loads the slots and has them work, and adds to opened how each is stopped.
func (d *daemon) openCore(ctx context.Context, cfg *config.Config, opened *teardown) (*core, error) {
	c, err := d.openJournal(cfg)
	if err != nil {
		return nil, err
	}
	opened.add("journal", journalTime, func(context.Context) error { return c.journal.Close() })
	if err := d.load(ctx, c, cfg, NewSystemClock()); err != nil {
		return nil, err
	}
	// As at a reload: Configure sets each slot's alarm.
	if _, err := d.apply(ctx, cfg, c.engine); err != nil {
		return nil, err
	}
	opened.add("accounts and sinks", backendsTime, d.closeBackends)
	opened.add("slots", slotsTime, func(ctx context.Context) error { return d.stopSlots(ctx, c) })
	return c, nil
}

func (d *daemon) openJournal(cfg *config.Config) (*core, error) {
	j, id, err := openState(cfg.State, journal.Options{
		Observe: d.metrics.JournalWrite, Warn: func(text string) { d.log.Warn("journal: " + text) },
	}, secret.ThisProcess(d.env.Environment, func(text string) { d.log.Warn("permissions: " + text) }))
	if err != nil {
		return nil, err
	}
	return newCore(j, id, lifelong{}), nil
}

// closeBackends closes every account and sink. One that does not answer is no fault of the stop: what it was told last,
// such as that a login is over, it was told in vain.
func (d *daemon) closeBackends(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() {
		defer d.lines.LastWords()
		closed <- d.closeAllBackends()
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		d.log.Warn("an account or a sink does not answer, and is not waited for any longer")
		return nil
	}
}

// closeAllBackends closes those of former configurations too. No reload opens any from now on.
func (d *daemon) closeAllBackends() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.stopping = true
	closing := d.former.pendingCloses()
	if b := d.backends.Load(); b != nil {
		closing = append(closing, func() error { return b.closeExcept(nil) })
	}
	return sideBySide(closing)
}
