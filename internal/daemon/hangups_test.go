package daemon

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
)

// hangUp sends this process a hangup.
func hangUp(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// caught returns hangups that end with the test. What else catches them keeps one from ending the process.
func caught(t *testing.T) *Hangups {
	t.Helper()
	guard := make(chan os.Signal, 1)
	signal.Notify(guard, syscall.SIGHUP)
	h := CatchHangups()
	t.Cleanup(func() { signal.Stop(h.signals) })
	return h
}

func TestAHangupIsAReloadThatWaitsUntilSomebodyIsThere(t *testing.T) {
	h := caught(t)
	hangUp(t)
	if s := <-h.reloads(); s != syscall.SIGHUP {
		t.Errorf("caught %v", s)
	}
	if (*Hangups)(nil).reloads() != nil {
		t.Error("without hangups there is one")
	}
}

func TestAHangupEndsASingleRun(t *testing.T) {
	h := caught(t)
	ctx, cancel := h.untilHangup(t.Context())
	defer cancel()
	hangUp(t)
	<-ctx.Done()
	if !slices.Contains(h.EndingSignals(), os.Signal(syscall.SIGHUP)) {
		t.Errorf("it ends a verb that cleans up, too: %v", h.EndingSignals())
	}
}

func TestAHangupThatIsIgnoredEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Hangups{signals: make(chan os.Signal, 1), ignored: true}
		h.signals <- syscall.SIGHUP
		ctx, cancel := h.untilHangup(t.Context())
		defer cancel()
		synctest.Wait()
		if ctx.Err() != nil || slices.Contains(h.EndingSignals(), os.Signal(syscall.SIGHUP)) {
			t.Error("it ends something")
		}
		h.Release() // and not this process
	})
}
