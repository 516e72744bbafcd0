package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// fake does the same for every call.
type fake struct{ do func(context.Context) error }

func (f fake) Render(sinks.Record) (secret.Value, error) {
	return secret.Value{}, f.do(context.Background())
}
func (f fake) Refresh(ctx context.Context) (bool, error) { return true, f.do(ctx) }

func (fake) MaxContent() int { return 100 }

func (f fake) Place(ctx context.Context, _ string) (string, error) { return "here", f.do(ctx) }

func (f fake) Close() error { return f.do(context.Background()) }

func (f fake) Probe(ctx context.Context, _ string, o sinks.ProbeOptions) (sinks.Holding, error) {
	return sinks.Holding{Known: true}, f.do(ctx)
}

func (f fake) Read(ctx context.Context, _ string) (sinks.Holding, error) {
	return sinks.Holding{Known: true}, f.do(ctx)
}

func (f fake) Write(ctx context.Context, _ string, _ secret.Value, o sinks.WriteOptions) error {
	return f.do(ctx)
}

// journal writes down what an Observer is told.
type journal struct{ lines []string }

func (j *journal) Delivered(sink, typ string, ok bool, took time.Duration) {
	j.lines = append(j.lines, fmt.Sprint("delivered ", sink, " ", typ, " ", ok, " ", took))
}

func (j *journal) Contacted(sink string, up bool, at time.Time) {
	j.lines = append(j.lines, fmt.Sprint("probed ", sink, " ", up, " ", at.UTC().Format(time.TimeOnly)))
}

func hang(ctx context.Context) error {
	<-ctx.Done()
	return fault.NoAnswer("write", "moq/a", ctx.Err())
}

func write(ctx context.Context, s sinks.Sink) error {
	return s.Write(ctx, "moq/a", secret.New("x"), sinks.WriteOptions{RotationID: "r1"})
}

func TestAnOperationEndsWithTheSinksTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sinks.Decorate("vault-prod", "vault", fake{hang}, 10*time.Second, nil)
		calls := map[string]func() error{
			"write": func() error { return write(t.Context(), s) },
			"read":  func() error { _, err := s.Read(t.Context(), "moq/a"); return err },
			"probe": func() error { _, err := s.Probe(t.Context(), "moq/a", sinks.ProbeOptions{Read: true}); return err },
		}
		for op, call := range calls {
			began := time.Now()
			f := fault.Of(call())
			if f.Reason != fault.Timeout || f.Class != fault.Retry || !strings.Contains(f.Error(), "vault-prod moq/a: no answer within the sink's timeout of 10s") {
				t.Errorf("%s: %v", op, f)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("%s took %s", op, took)
			}
		}
	})
}

func TestACallersOwnEndIsNotTheSinksTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		f := fault.Of(write(ctx, sinks.Decorate("disk", "file", fake{hang}, time.Minute, nil)))
		if f.Reason != fault.Canceled || strings.Contains(f.Error(), "timeout") {
			t.Errorf("error = %v", f)
		}
	})
}

func TestABetterReasonSurvivesTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sinks.Decorate("disk", "file", fake{func(ctx context.Context) error {
			<-ctx.Done()
			return fault.Newf(fault.Permanent, fault.Forbidden, "write", "moq/a", "denied")
		}}, time.Second, nil)
		if f := fault.Of(write(t.Context(), s)); f.Reason != fault.Forbidden || f.Class != fault.Permanent {
			t.Errorf("error = %v", f)
		}
	})
}

func TestErrorsNameTheSinkOnce(t *testing.T) {
	inner := fault.Newf(fault.Permanent, fault.Invalid, "write", "moq/a", "no").WithHint("do something")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a fault":                   {inner, "write disk moq/a: no (do something)"},
		"a fault that names it":     {fault.Newf(fault.Retry, fault.Invalid, "write", "disk moq/a", "no"), "write disk moq/a: no"},
		"a fault about the sink":    {fault.Newf(fault.Retry, fault.Invalid, "log in to", "disk", "no"), "log in to disk: no"},
		"a fault that says nothing": {fault.Newf(fault.Retry, fault.Invalid, "", "", "no"), "write disk moq/a: no"},
		"any other error":           {errors.New("no"), "write disk moq/a: no"},
	} {
		s := sinks.Decorate("disk", "file", fake{func(context.Context) error { return c.err }}, time.Second, nil)
		if got := write(t.Context(), s).Error(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if inner.Object != "moq/a" {
		t.Error("the sink's own error was changed")
	}
}

func TestAPanicIsAnErrorOfOursThatShowsNoValue(t *testing.T) {
	for name, c := range map[string]struct {
		panic func()
		want  string
	}{
		"a text, which may hold anything": {func() { panic("I hold " + canary) }, "panic: a string in "},
		"an error, which may as well":     {func() { panic(errors.New(canary)) }, "panic: a *errors.errorString in "},
		"the runtime's own words":         {func() { var m map[string]int; m["x"] = 1 }, "assignment to entry in nil map in "},
	} {
		s := sinks.Decorate("disk", "file", fake{func(context.Context) error { c.panic(); return nil }}, time.Second, nil)
		calls := map[string]func() error{
			"write":  func() error { return write(t.Context(), s) },
			"read":   func() error { _, err := s.Read(t.Context(), "moq/a"); return err },
			"probe":  func() error { _, err := s.Probe(t.Context(), "moq/a", sinks.ProbeOptions{Read: true}); return err },
			"render": func() error { _, err := s.Render(sample()); return err },
			"close":  s.Close,
		}
		for op, call := range calls {
			err := call()
			f := fault.Of(err)
			if f == nil || f.Reason != fault.Internal || f.Op != op || !strings.HasPrefix(f.Object, "disk") {
				t.Errorf("%s, %s: %v", name, op, err)
				continue
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "TestAPanicIsAnErrorOfOurs") || strings.Contains(err.Error(), canary) {
				t.Errorf("%s, %s: %v; want %q and the place", name, op, err, c.want)
			}
		}
	}
}

func TestTheObserverHearsOfEachCallOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var outcome error
		s := sinks.Decorate("disk", "file", fake{func(context.Context) error { <-time.After(2 * time.Second); return outcome }}, time.Minute, &j)
		_ = write(t.Context(), s)
		_, _ = s.Probe(t.Context(), "moq/a", sinks.ProbeOptions{Read: true})
		_, _ = s.Read(t.Context(), "moq/a")
		outcome = fault.Newf(fault.Retry, fault.Unreachable, "write", "moq/a", "down")
		_ = write(t.Context(), s)
		_, _ = s.Probe(t.Context(), "moq/a", sinks.ProbeOptions{Read: true})
		want := []string{
			"delivered disk file true 2s", "probed disk true 00:00:02", "probed disk true 00:00:04", "probed disk true 00:00:06",
			"delivered disk file false 2s", "probed disk false 00:00:08", "probed disk false 00:00:10"}
		if !slices.Equal(j.lines, want) {
			t.Errorf("heard %q\nwant  %q", j.lines, want)
		}
	})
}

func TestASinkIsUpWhenItAnswersWhateverItThinksOfTheTarget(t *testing.T) {
	up := []fault.Reason{fault.Forbidden, fault.NotFound, fault.Foreign, fault.Conflict, fault.Mismatch, fault.Invalid, fault.RateLimited}
	for _, reason := range fault.Reasons() {
		var j journal
		s := sinks.Decorate("disk", "file", fake{func(context.Context) error {
			return fault.Newf(fault.Permanent, reason, "probe", "moq/a", "no")
		}}, time.Second, &j)
		_, _ = s.Probe(t.Context(), "moq/a", sinks.ProbeOptions{Read: true})
		want := fmt.Sprintf("probed disk %t ", slices.Contains(up, reason))
		if len(j.lines) != 1 || !strings.HasPrefix(j.lines[0], want) {
			t.Errorf("%s: heard %q, want %q", reason, j.lines, want)
		}
	}
}

func TestACancelledProbeSaysNothingOfTheSink(t *testing.T) {
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = sinks.Decorate("disk", "file", fake{hang}, time.Second, &j).Probe(ctx, "moq/a", sinks.ProbeOptions{Read: true})
	if len(j.lines) != 0 {
		t.Errorf("heard %q", j.lines)
	}
}

func TestAContentThatIsTooLargeSaysNothingOfTheStore(t *testing.T) {
	told := &journal{}
	s := sinks.Decorate("vault-prod", "vault", fake{func(context.Context) error {
		t.Error("the store was called")
		return nil
	}}, time.Second, told)
	err := s.Write(t.Context(), "moq/a", secret.New(strings.Repeat("x", 101)), sinks.WriteOptions{RotationID: "r1"})
	if f := fault.Of(err); f.Reason != fault.Invalid || !strings.Contains(f.Error(), "vault-prod moq/a") {
		t.Errorf("err = %v", err)
	}
	if len(told.lines) != 1 || !strings.HasPrefix(told.lines[0], "delivered vault-prod vault false") {
		t.Errorf("told %q", told.lines)
	}
}

func TestAWriteThatWasHeldBackIsNoDelivery(t *testing.T) {
	for begun, want := range map[bool]int{false: 0, true: 2} { // what was cut off may have changed something
		told := &journal{}
		_ = write(t.Context(), sinks.Decorate("disk", "file", fake{func(context.Context) error {
			return fault.HeldBack(errors.New("its term is over"), begun)
		}}, time.Second, told))
		if len(told.lines) != want {
			t.Errorf("begun: %t, told %q", begun, told.lines)
		}
	}
}
