package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/logging"
)

const (
	// stopTime is how long a stop takes, but for what heeds no bound and is left to itself.
	stopTime = 27 * time.Second // what follows, and the log, may take some seconds more: systemd gives 35
	// leastTime is what each step has even if those before it took it all.
	leastTime = time.Second
	// overtime is how long a step whose time is up may take to say so.
	overtime = 500 * time.Millisecond
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
	within time.Duration
	stop   func(context.Context) error
}

// add is for what was started just now.
func (t *teardown) add(name string, within time.Duration, stop func(context.Context) error) {
	t.steps = append(t.steps, stopStep{name, within, stop})
}

// takeOver moves the steps of other, which were started after those that are here.
func (t *teardown) takeOver(other *teardown) {
	t.steps = append(t.steps, other.steps...)
	other.steps = nil
}

// run stops everything, what was started last first, within stopTime, of which each step gets no more
// than its own. One that fails, or does not end and is left to itself, keeps no other from being
// taken. The errors are joined, each with its step's name. A second run has nothing to do.
func (t *teardown) run() error {
	deadline := time.Now().Add(stopTime)
	var errs []error
	for _, s := range slices.Backward(t.steps) {
		s.within = max(min(s.within, time.Until(deadline)), leastTime)
		if err := t.stopOne(s); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	t.steps = nil
	return errors.Join(errs...)
}

// stopOne takes one step.
func (t *teardown) stopOne(s stopStep) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.within)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer t.lines.LastWords()
		done <- s.stop(ctx)
	}()
	patience := time.NewTimer(s.within + overtime)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-patience.C:
		return fmt.Errorf("it did not end within %s, and is left to itself", s.within.Round(time.Millisecond))
	}
}
