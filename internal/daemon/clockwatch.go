package daemon

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/rotation"
)

const (
	clockCheck = 30 * time.Second
	standstill = 2 * time.Minute // from one check to the next, clockCheck of it awake, that means the process was not running
	clockStep  = time.Second     // what the wall clock differs by from the elapsed one when somebody set it: both are slewed alike
	atOnce     = 100 * time.Millisecond
	clockReads = 10 // a process that is stopped between two clocks reads them again
)

// clocks are both clocks of the machine at one moment.
type clocks struct {
	wall    time.Time
	elapsed time.Duration // since boot, suspension included
}

// readClocks reads both clocks so close together that they can be compared.
func readClocks() (c clocks) {
	for range clockReads {
		before := sinceBoot()
		c = clocks{time.Now().Round(0), sinceBoot()}
		if c.elapsed-before < atOnce {
			break
		}
	}
	return c
}

// stepSince returns by how much the wall clock was set since c was read.
func (now clocks) stepSince(c clocks) time.Duration {
	step := now.wall.Sub(c.wall) - (now.elapsed - c.elapsed)
	if step.Abs() <= clockStep {
		return 0
	}
	return step
}

// warnOfUnsetClock reports whether nobody can have set this machine's clock, and says so.
func (d *daemon) warnOfUnsetClock() bool {
	now := time.Now()
	if !now.Before(d.builtAt) {
		return false
	}
	d.log.Warn("this machine's clock is before the date of rotatord's build: nobody has set it; "+
		"no rotation begins and nothing is revoked until it is set, or Cloudflare tells the time; only blackouts are ended", zap.Time("clock", now), zap.Time("built", d.builtAt))
	return true
}

// clockWatcher is told what happened to the clocks.
type clockWatcher interface {
	stoodStill(pause time.Duration)
	clockStepped(now time.Time, by time.Duration)
}

// watchClocks notices that the process stood still, as on a suspended machine, and that somebody set the wall clock.
func watchClocks(ctx context.Context, read func() clocks, w clockWatcher) {
	last := read()
	for wait(ctx, clockCheck) {
		now := read()
		if step := now.stepSince(last); step != 0 {
			w.clockStepped(now.wall, step)
		}
		if pause := now.elapsed - last.elapsed; pause > standstill {
			w.stoodStill(pause)
		}
		last = now
	}
}

// clockEvents has a daemon's slots heed what happened to the clocks.
type clockEvents struct {
	*daemon
	engine *rotation.Engine
}

func (d clockEvents) stoodStill(pause time.Duration) {
	d.log.Info("time passed without rotatord running; every slot decides anew, and `catch_up: false` leaves out "+
		"what came due meanwhile", zap.Duration("pause", pause))
	d.engine.Resumed()
}

func (d clockEvents) clockStepped(now time.Time, by time.Duration) {
	d.metrics.ClockStepped()
	d.log.Warn("somebody set this machine's clock; everything that waits for a time is decided anew",
		zap.Time("from", now.Add(-by)), zap.Time("to", now), zap.Duration("by", by.Round(time.Millisecond)))
	d.engine.ClockStepped()
	d.accounts.tellOffsets()
}
