package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/slot"
)

const (
	storageCheck = 10 * time.Second
	storageRetry = time.Second
	loginsCheck  = 5 * time.Second
	statusPause  = 15 * time.Second

	backgroundTime = 3 * time.Second // to stop, of usualStop: a check of the storage may be in hand
)

// startBackground runs the alarms, and watches clocks, storage, logins and memory, until ctx ends or
// started is stopped.
func (d *daemon) startBackground(ctx context.Context, c *core, started *teardown) {
	d.startParts(ctx, "background work", append(d.partsOf(c), d.parts()...), started)
}

// startParts runs parts until ctx ends or started is stopped.
func (d *daemon) startParts(ctx context.Context, name string, parts []func(context.Context), started *teardown) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runParts(ctx, d.lines, parts)
	}()
	started.add(name, backgroundTime, func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// partsOf are what runs beside the slots. Each ends with its context.
func (d *daemon) partsOf(c *core) []func(context.Context) {
	return []func(context.Context){
		func(ctx context.Context) { c.queue.Run(ctx, c.engine.Wake) },
		func(ctx context.Context) { watchClocks(ctx, readClocks, clockEvents{d, c.engine}) },
		func(ctx context.Context) { d.accounts.watchAll(ctx, c.engine.WakeAll) },
		func(ctx context.Context) { d.watchStorage(ctx, c) },
		func(ctx context.Context) { d.watchLogins(ctx, c.engine) },
		func(ctx context.Context) {
			for wait(ctx, rotation.ListPause) {
				c.engine.ListNextRelay(ctx)
			}
		},
	}
}

// parts are what runs whether there are slots to work at or not.
func (d *daemon) parts() []func(context.Context) {
	return []func(context.Context){
		func(ctx context.Context) { returnMemory(ctx, d.unmap) },
		keepWatchdogQuiet,
		func(ctx context.Context) {
			for told := true; told; told = wait(ctx, statusPause) {
				notifyStatus(d.statusLine())
			}
		},
	}
}

func (d *daemon) unmap() {
	if c := d.core.Load(); c != nil {
		c.journal.Unmap()
	}
}

// runParts runs all parts side by side until they end. A panic in one ends the process, once what was
// logged before is out.
func runParts(ctx context.Context, lines *logging.Log, parts []func(context.Context)) {
	var wg sync.WaitGroup
	for _, part := range parts {
		wg.Go(func() {
			defer lines.LastWords()
			part(ctx)
		})
	}
	wg.Wait()
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
		if names := d.backends.Load().logins.Renewed(); len(names) > 0 {
			d.log.Info("a refused login has a new secret; it is tried now", zap.Strings("sinks", names))
			e.Retry(names)
		}
	}
}

// wait waits for d, and reports whether ctx lasted that long.
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
