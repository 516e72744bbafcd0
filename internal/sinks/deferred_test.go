package sinks_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// openable is a Spec whose Open does what the test says.
type openable struct {
	sinks.Spec
	open func(context.Context) (sinks.Sink, error)
}

func (openable) Shared() *sinks.Common {
	c := sinks.DefaultCommon("fake")
	return &c
}

func (openable) MaxContent() int { return 100 }

func (openable) Render(*sinks.Templates, sinks.Record) (secret.Value, error) {
	return secret.New("rendered"), nil
}

func (o openable) Open(ctx context.Context, _ sinks.OpenOptions) (sinks.Sink, error) {
	return o.open(ctx)
}

func deferred(open func(context.Context) (sinks.Sink, error)) *sinks.Deferred {
	return sinks.Defer(openable{open: open}, sinks.OpenOptions{Name: "vault-prod"})
}

func works(context.Context) error { return nil }

// everyCall makes each call that can fail for want of an open sink.
func everyCall(ctx context.Context, s sinks.Sink) map[string]error {
	_, probed := s.Probe(ctx, "moq/a", sinks.ProbeOptions{Read: true})
	_, read := s.Read(ctx, "moq/a")
	_, placed := s.Place(ctx, "moq/a")
	return map[string]error{"place": placed, "probe": probed, "read": read, "write": write(ctx, s)}
}

func TestASinkThatCannotBeOpenedSaysWhyAtEveryCallAndWorksOnceItCan(t *testing.T) {
	for name, c := range map[string]struct {
		open   error
		reason fault.Reason
		says   []string
	}{
		"unclassed":   {errors.New("no CA file"), fault.Setup, []string{"no CA file", "it is tried again"}},
		"permanent":   {fault.Newf(fault.Permanent, fault.Invalid, "open", "", "no address").WithHint("set VAULT_ADDR"), fault.Setup, []string{"no address", "set VAULT_ADDR"}},
		"as it found": {fault.Newf(fault.Permanent, fault.Unauthorized, "", "", "no token"), fault.Unauthorized, []string{"no token"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failure := c.open
				d := deferred(func(context.Context) (sinks.Sink, error) { return fake{works}, failure })
				defer func() { _ = d.Close() }()
				var j journal
				s := sinks.Decorate("vault-prod", "vault", d, time.Second, &j)
				if v, err := s.Render(sinks.Record{}); err != nil || v.IsEmpty() {
					t.Errorf("Render needs an open sink: %v", err)
				}
				for op, err := range everyCall(t.Context(), s) {
					f := fault.Of(err)
					if err == nil || f.Class != fault.Retry || f.Reason != c.reason {
						t.Fatalf("%s: %v", op, err)
					}
					for _, want := range append(c.says, "open sink vault-prod") {
						if !strings.Contains(err.Error(), want) {
							t.Errorf("%s: %q lacks %q", op, err, want)
						}
					}
				}
				if !strings.HasPrefix(j.lines[0], "probed vault-prod false") {
					t.Errorf("a sink that is not open counts as up: %q", j.lines)
				}
				failure = nil
				<-time.After(time.Second)
				for op, err := range everyCall(t.Context(), s) {
					if err != nil {
						t.Errorf("%s, mended: %v", op, err)
					}
				}
			})
		})
	}
}

func TestASinkIsOpenedOnceForManyWhoWaitAndNotAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		d := deferred(func(context.Context) (sinks.Sink, error) {
			tries++
			<-time.After(100 * time.Millisecond)
			return nil, errors.New("no")
		})
		defer func() { _ = d.Close() }()
		for range 1000 {
			go func() { _ = write(t.Context(), d) }()
		}
		<-time.After(300 * time.Millisecond)
		_ = write(t.Context(), d)
		if tries != 1 {
			t.Errorf("%d tries while the first is fresh", tries)
		}
		<-time.After(time.Second)
		synctest.Wait()
		_ = write(t.Context(), d)
		if tries != 2 {
			t.Errorf("%d tries, want a second one by now", tries)
		}
	})
}

func TestWhatHangsWhileASinkIsOpenedHoldsNoCallLongerThanItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		d := deferred(func(context.Context) (sinks.Sink, error) { <-leave; return fake{works}, nil })
		s := sinks.Decorate("vault-prod", "vault", d, 10*time.Second, nil)
		began := time.Now()
		for op, err := range everyCall(t.Context(), s) {
			if f := fault.Of(err); err == nil || f.Reason != fault.Timeout || f.Class != fault.Retry {
				t.Errorf("%s: %v", op, err)
			}
		}
		if took := time.Since(began); took != 40*time.Second {
			t.Errorf("four calls took %s", took)
		}
		close(leave)
		synctest.Wait()
		if err := write(t.Context(), s); err != nil {
			t.Errorf("once it answers: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRefreshingOpensWhatIsNotOpenAtOnceAndReadsAgainWhatIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("no CA file")
		var refreshed atomic.Int64
		d := deferred(func(context.Context) (sinks.Sink, error) {
			return closes{fake{func(context.Context) error { refreshed.Add(1); return nil }}, new(atomic.Int64)}, failure
		})
		defer func() { _ = d.Close() }()
		if _, err := d.Refresh(t.Context()); err == nil {
			t.Error("a sink that is not open was refreshed")
		}
		failure = nil
		for _, what := range []string{"opened", "read again"} {
			if changed, err := d.Refresh(t.Context()); err != nil || !changed {
				t.Errorf("%s: changed %t, %v", what, changed, err)
			}
		}
		if refreshed.Load() != 1 {
			t.Errorf("it was refreshed %d times", refreshed.Load())
		}
	})
}

func TestARefreshThatHangsIsLeftAndNotBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, closed atomic.Int64
		d := deferred(func(context.Context) (sinks.Sink, error) {
			return closes{fake{func(ctx context.Context) error { begun.Add(1); <-ctx.Done(); return nil }}, &closed}, nil
		})
		_ = d.Opened(t.Context())
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := d.Refresh(ctx); err == nil || fault.Of(err).Reason != fault.Timeout {
				t.Errorf("Refresh: %v", err)
			}
			cancel()
		}
		if begun.Load() != 1 {
			t.Errorf("%d refreshes hang", begun.Load())
		}
		_ = d.Close() // ends it
	})
}

func TestATryThatNeverEndsIsLeftAndTheNextIsGivenTwiceTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries, closed atomic.Int64
		hung := make(chan struct{})
		d := deferred(func(context.Context) (sinks.Sink, error) {
			if tries.Add(1) <= 2 {
				<-hung
			}
			return closes{fake{works}, &closed}, nil
		})
		for _, c := range []struct {
			wait  time.Duration
			tries int64
		}{{29 * time.Second, 1}, {2 * time.Second, 2}, {50 * time.Second, 2}, {11 * time.Second, 3}} {
			<-time.After(c.wait)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			err := write(ctx, d)
			cancel()
			if tries.Load() != c.tries || (err == nil) != (c.tries == 3) {
				t.Errorf("%d tries, want %d (%v)", tries.Load(), c.tries, err)
			}
		}
		close(hung)
		synctest.Wait()
		if closed.Load() != 2 {
			t.Errorf("%d of the two sinks that came too late were closed", closed.Load())
		}
		if err := write(t.Context(), d); err != nil {
			t.Error(err)
		}
		_ = d.Close()
	})
}

func TestAPanicWhileASinkIsOpenedIsThatSinksTrouble(t *testing.T) {
	d := deferred(func(context.Context) (sinks.Sink, error) { panic("a library's " + canaryText) })
	defer func() { _ = d.Close() }()
	err := d.Opened(t.Context())
	if f := fault.Of(err); err == nil || f.Reason != fault.Internal || strings.Contains(err.Error(), canaryText) {
		t.Errorf("%v", err)
	}
}

const canaryText = "7f3a9c"

// closes counts how often it was closed.
type closes struct {
	fake
	n *atomic.Int64
}

func (c closes) Close() error { c.n.Add(1); return nil }

func TestClosingEndsTheTryAndClosesWhatItStillOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int64
		late := deferred(func(ctx context.Context) (sinks.Sink, error) {
			<-ctx.Done()
			return closes{fake{works}, &closed}, nil
		})
		_ = late.Close()
		synctest.Wait()
		if closed.Load() != 1 {
			t.Errorf("what was opened too late was closed %d times", closed.Load())
		}
		soon := deferred(func(context.Context) (sinks.Sink, error) { return closes{fake{works}, &closed}, nil })
		synctest.Wait()
		_ = soon.Close()
		if closed.Load() != 2 {
			t.Errorf("an open sink was closed %d times", closed.Load()-1)
		}
	})
}
