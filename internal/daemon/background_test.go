package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/secret"
)

// working runs what watches the storage of a daemon without slots, in the fake time of a bubble.
func working(t *testing.T, dir string) (_ *daemon, logged *observer.ObservedLogs) {
	t.Helper()
	cfg := &config.Config{Instance: "test", State: config.State{Path: dir}}
	lines := logging.New(io.Discard)
	d := newDaemon(cfg, Options{Log: lines})
	sees, logged := observer.New(zapcore.InfoLevel)
	d.log = zap.New(sees)
	if err := d.open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	d.startBackground(t.Context(), d.core.Load(), &d.teardown)
	t.Cleanup(func() {
		if err := d.teardown.run(usualStop); err != nil {
			t.Error(err)
		}
		lines.Close()
	})
	return d, logged
}

func TestADeletedIdentityIsWrittenAnewAndToldOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d, logged := working(t, dir)
		path := ownIdentity(d.backends.Load().cfg.State)
		sealed, err := d.core.Load().identity.Seal(secret.New("a value"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wait(t.Context(), 2*storageCheck+time.Second)
		id, err := secret.LoadIdentity(path, secret.ThisProcess(d.env.Environment, func(string) {}))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := id.Open(sealed); err != nil || v.Reveal() != "a value" {
			t.Errorf("it does not open what was sealed before: %v", err)
		}
		if n := logged.FilterMessageSnippet("was written anew").Len(); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestAStateFolderThatIsGoneMakesTheDaemonUnreadyUntilItIsBack(t *testing.T) {
	dir := t.TempDir() + "/state"
	synctest.Test(t, func(t *testing.T) {
		d, logged := working(t, dir)
		if err := os.Rename(dir, dir+".aside"); err != nil {
			t.Fatal(err)
		}
		wait(t.Context(), storageCheck+time.Second)
		if d.Ready() == nil {
			t.Error("it is ready")
		}
		wait(t.Context(), 10*storageRetry) // the identity cannot be written either, which is no line a second
		if n := logged.FilterMessageSnippet("identity").Len(); n > 1 {
			t.Errorf("the identity is told of %d times", n)
		}
		if err := errors.Join(os.RemoveAll(dir), os.Rename(dir+".aside", dir)); err != nil {
			t.Fatal(err)
		}
		wait(t.Context(), 2*storageRetry)
		if err := d.Ready(); err != nil {
			t.Errorf("back again: %v", err)
		}
	})
}

func TestAnIdentityThatCannotBeWrittenIsToldOnce(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	aside := func(from, to string) {
		if err := os.Rename(h.path(from), h.path(to)); err != nil {
			t.Fatal(err)
		}
	}
	aside("state", "aside")
	for range 3 { // as every second
		d.keepIdentity(d.core.Load())
	}
	if n := strings.Count(h.logged(), "cannot be written anew"); n != 1 {
		t.Errorf("told %d times: %s", n, h.logged())
	}
	aside("aside", "state")
}

func TestAStopLeavesTheIdentityThatTheNextStartNeeds(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	if err := errors.Join(os.Remove(h.path("state/identity.txt")), d.teardown.run(usualStop), h.openAndStop()); err != nil {
		t.Error(err)
	}
}

func TestWhereTheIdentityLiesElsewhereItIsNotOursToWrite(t *testing.T) {
	dir := t.TempDir()
	h := &house{T: t, dir: dir}
	cfg := &config.Config{Instance: "test", State: config.State{Path: h.path("state")}}
	d := newDaemon(cfg, Options{Log: logging.New(io.Discard)})
	if err := d.open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.teardown.run(usualStop) }()
	d.backends.Load().cfg.State.IdentityFile = h.path("elsewhere")
	if err := os.Remove(h.path("state/identity.txt")); err != nil {
		t.Fatal(err)
	}
	d.keepIdentity(d.core.Load())
	for _, path := range []string{h.path("elsewhere"), h.path("state/identity.txt")} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestMemoryIsGivenBackOnceABurstIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var unmapped atomic.Int64
		ended := make(chan struct{})
		go func() {
			returnMemory(ctx, func() { unmapped.Add(1) })
			close(ended)
		}()
		inUse := strings.Repeat("x", 4*memorySlack) // is no reason to try again and again
		for burst := range int64(2) {
			garbage := strings.Repeat("x", 8*memorySlack)
			wait(ctx, memoryCheck)
			synctest.Wait()
			if unmapped.Load() != burst {
				t.Errorf("burst %d: it was given back in its middle", burst)
			}
			runtime.KeepAlive(garbage)
			wait(ctx, 10*memoryCheck)
			synctest.Wait()
			if got := unmapped.Load(); got != burst+1 {
				t.Errorf("burst %d: given back %d times, want once for each", burst, got)
			}
		}
		stop()
		<-ended
		runtime.KeepAlive(inUse)
	})
}
