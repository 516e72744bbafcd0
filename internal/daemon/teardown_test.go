package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/logging"
)

func TestWhatWasStartedLastIsStoppedFirst(t *testing.T) {
	var stopped []string
	var all, later teardown
	for i, name := range []string{"pages", "journal", "slots"} {
		to := &all
		if i > 0 {
			to = &later // of an opening that came to its end
		}
		to.add(name, time.Second, func(context.Context) error {
			stopped = append(stopped, name)
			return nil
		})
	}
	all.moveFrom(&later)
	if err := errors.Join(all.run(usualStop), later.run(usualStop), all.run(usualStop)); err != nil {
		t.Error(err)
	}
	if !slices.Equal(stopped, []string{"slots", "journal", "pages"}) {
		t.Errorf("stopped: %q", stopped)
	}
}

func TestAStepThatFailsOrHangsKeepsNoOtherFromBeingTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all teardown
		end := make(chan struct{})
		defer close(end)
		stopped := false
		all.add("first", time.Second, func(context.Context) error {
			stopped = true
			return nil
		})
		all.add("failing", time.Second, func(context.Context) error { return errors.New("no") })
		all.add("hanging", 3*time.Second, func(context.Context) error {
			<-end
			return nil
		})
		began := time.Now()
		err := all.run(usualStop)
		want := "stop hanging: it did not end within 3s, and is left to itself\nstop failing: no"
		if err == nil || err.Error() != want || !stopped {
			t.Errorf("%v; what came after it was stopped: %t", err, stopped)
		}
		if took := time.Since(began); took != 3*time.Second+overtime {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAStepWhoseTimeIsUpSaysSoItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all teardown
		all.add("slots", 3*time.Second, func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("2 slots are at work")
		})
		if err := all.run(usualStop); err == nil || err.Error() != "stop slots: 2 slots are at work" {
			t.Error(err)
		}
	})
}

func TestAStopEndsWithinItsTimeWhateverHangs(t *testing.T) {
	for _, configured := range []time.Duration{time.Second, usualStop, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var all teardown
			var last atomic.Int64 // of what had its turn last
			end := make(chan struct{})
			defer close(end)
			for _, within := range []time.Duration{pagesTime, journalTime, backendsTime, slotsTime, backgroundTime} {
				all.add("a part", within, func(ctx context.Context) error {
					deadline, _ := ctx.Deadline()
					last.Store(int64(time.Until(deadline)))
					<-end
					return nil
				})
			}
			began := time.Now()
			err := all.run(configured)
			synctest.Wait()
			if took := time.Since(began); took > configured-configured/16 || strings.Count(err.Error(), "left to itself") != 5 {
				t.Errorf("of %s it took %s: %v", configured, took, err)
			}
			if had := time.Duration(last.Load()); had < configured/60 {
				t.Errorf("of %s the last step had %s", configured, had)
			}
		})
	}
}

// slowReader takes a line only after a while.
type slowReader struct{ io.Writer }

func (w slowReader) Write(text []byte) (int, error) {
	wait(context.Background(), 100*time.Millisecond)
	return w.Writer.Write(text)
}

// A panic ends the process, so the test starts itself anew to have one.
func TestAPanicInOnePartEndsTheProcessOnceTheLogIsOut(t *testing.T) {
	const variable = "ROTATORD_TEST_PANIC"
	lines := logging.New(slowReader{os.Stderr})
	broken := func(context.Context) error { panic("it broke") }
	say := func() {
		for range 3 {
			_, _ = lines.Write([]byte("said before\n"))
		}
	}
	switch os.Getenv(variable) {
	case "background":
		say()
		runParts(t.Context(), lines, []func(context.Context){
			func(ctx context.Context) { <-ctx.Done() }, func(ctx context.Context) { _ = broken(ctx) },
		})
	case "stop":
		all := teardown{lines: lines}
		all.add("slots", time.Second, broken)
		say()
		_ = all.run(usualStop)
	case "":
		for _, part := range []string{"background", "stop"} {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
			cmd.Env = append(os.Environ(), variable+"="+part)
			out, err := cmd.CombinedOutput()
			said, trace, panicked := strings.Cut(string(out), "panic: it broke")
			if err == nil || !panicked || strings.Count(said, "said before") != 3 || !strings.Contains(trace, "goroutine ") {
				t.Errorf("%s: %v\n%s", part, err, out)
			}
		}
	}
}

func TestAStopKeepsTimeToWriteDownWhatCameOfCalls(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		24 * time.Second: 3 * time.Second, 4 * time.Second: time.Second, 800 * time.Millisecond: 400 * time.Millisecond,
	} {
		if got := timeToSave(left); got != want {
			t.Errorf("of %s it keeps %s, want %s", left, got, want)
		}
	}
}
