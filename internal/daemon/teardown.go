package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/logging"
)

// The times of a stop are those of usualStop, and shorter or longer in proportion to the configured one.
const (
	usualStop = 30 * time.Second
	// endTime is kept for the log and the process's end.
	endTime = 2 * time.Second
	// leastTime is what each step has even if those before it took it all.
	leastTime = 500 * time.Millisecond
	// overtime is how long a step whose time is up may take to say so.
	overtime = 250 * time.Millisecond
)

// teardown is how to stop what was started, in the order in which it was. It is used by one
// goroutine at a time.
type teardown struct {
	lines *logging.Log // told last when a step panics
	steps []stopStep
}

// stopStep stops one thing. Its context ends with its time.
type stopStep struct {
	name   string
	within time.Duration // of usualStop
	stop   func(context.Context) error
}

// add is for what was started just now.
func (t *teardown) add(name string, within time.Duration, stop func(context.Context) error) {
	t.steps = append(t.steps, stopStep{name, within, stop})
}

// moveFrom moves here the steps of other, which were started after those that are here.
func (t *teardown) moveFrom(other *teardown) {
	t.steps = append(t.steps, other.steps...)
	other.steps = nil
}

// run stops everything, what was started last first, within a time, of which each step gets no more
// than its own, and what those after it leave. One that fails, or does not end and is left to itself, keeps no
// other from being taken. The errors are joined, each with its step's name. A second run has nothing to do.
func (t *teardown) run(within time.Duration) error {
	share := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * within.Seconds() / usualStop.Seconds())
	}
	deadline := time.Now().Add(share(usualStop - endTime))
	var errs []error
	for after, s := range slices.Backward(t.steps) {
		left := time.Until(deadline) - share(time.Duration(after)*(leastTime+overtime)+overtime)
		if err := t.stopOne(s, max(min(share(s.within), left), share(leastTime)), share(overtime)); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	t.steps = nil
	return errors.Join(errs...)
}

// stopOne takes one step.
func (t *teardown) stopOne(s stopStep, within, overtime time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer t.lines.LastWords()
		done <- s.stop(ctx)
	}()
	patience := time.NewTimer(within + overtime)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-patience.C:
		return fmt.Errorf("it did not end within %s, and is left to itself", within.Round(time.Millisecond))
	}
}
