package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/logging"
)

func TestARunIsReadyAtTheAddressItTellsAndLeavesNothingBehind(t *testing.T) {
	h := newHouse(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o := h.options()
	o.Started = func(addr string) {
		defer stop()
		resp, err := http.Get("http://" + addr + "/-/ready")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("ready: %v, %v", resp, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	if err := Run(ctx, h.load(), o); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"rotatord is ready", `"version":"v1"`, "stopping: finishing the steps in hand", `"stopped"`} {
		if !strings.Contains(h.logged(), line) {
			t.Errorf("the log lacks %q:\n%s", line, h.logged())
		}
	}
	if _, err := os.Stat(h.path("admin.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	wantStateFree(t, h)
}

// wantStateFree demands that nobody has the journal open.
func wantStateFree(t *testing.T, h *house) {
	t.Helper()
	j, err := journal.Open(h.path("state"), journal.Options{})
	if err != nil {
		t.Fatalf("the journal is still open: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

func TestADaemonStopsInReverse(t *testing.T) {
	h := newHouse(t)
	d := newDaemon(h.load(), h.options())
	if _, _, err := d.startPages(h.load()); err != nil {
		t.Fatal(err)
	}
	if err := d.open(t.Context(), h.load()); err != nil {
		t.Fatal(err)
	}
	d.startBackground(t.Context(), d.core.Load(), &d.teardown)
	var names []string
	for _, s := range d.teardown.steps {
		names = append(names, s.name)
	}
	if got := strings.Join(names, ", "); got != "pages, journal, accounts and sinks, slots, background work" {
		t.Errorf("started: %s", got)
	}
	if err := d.teardown.run(usualStop); err != nil {
		t.Error(err)
	}
	wantStateFree(t, h)
}

func TestWhileItStartsADaemonAnswersThatItIsNotReady(t *testing.T) {
	h := newHouse(t)
	d := newDaemon(h.load(), h.options())
	server, _, err := d.startPages(h.load())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.teardown.run(usualStop) }()
	resp, err := http.Get("http://" + server.Addr() + "/-/ready")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready: %s", resp.Status)
	}
	if got := slotNames(d); got != "" {
		t.Errorf("it shows %s", got)
	}
	_, known := d.StatusOf("live", "subscribe")
	_, rotate := d.Rotate(t.Context(), "live", "subscribe", "a test", false)
	_, history := d.History(t.Context(), "", "", 0)
	_, tokens := d.Tokens(t.Context(), "live")
	_, prune := d.Prune(t.Context(), "live", nil, true)
	_, reload := d.Reload(t.Context())
	for _, err := range []error{rotate, history, tokens, prune, reload, d.Ready()} {
		if !errors.Is(err, errStarting) {
			t.Errorf("answered: %v", err)
		}
	}
	if known || d.Forecast(time.Hour) != nil {
		t.Error("it knows of slots")
	}
}

func TestAStateFolderThatCannotBeWrittenIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	h := &house{T: t, dir: dir}
	h.put("state", "a file is where the folder should be")
	synctest.Test(t, func(t *testing.T) {
		cfg := &config.Config{Instance: "test", State: config.State{Path: h.path("state/of/it")}}
		lines := logging.New(&strings.Builder{})
		defer lines.Close()
		d := newDaemon(cfg, Options{Log: lines})
		opened := make(chan error, 1)
		go func() { opened <- d.openPatiently(t.Context(), cfg) }()
		for range 3 {
			wait(t.Context(), startRetry)
			synctest.Wait()
			if err := d.Ready(); err == nil || errors.Is(err, errStarting) {
				t.Fatalf("ready: %v, want what is wrong with the folder", err)
			}
		}
		if err := os.Remove(h.path("state")); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil || d.Ready() != nil {
			t.Errorf("once it can be written: %v, %v", err, d.Ready())
		}
		if err := d.teardown.run(usualStop); err != nil {
			t.Error(err)
		}
	})
}

func TestToldToStopBeforeItWorksADaemonIsNeverAnnounced(t *testing.T) {
	h := newHouse(t)
	h.put("state", "a file is where the folder should be")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	o := h.options()
	o.Started = func(string) { t.Error("it is said to work") }
	if err := Run(ctx, h.load(), o); err != nil || strings.Contains(h.logged(), "rotatord is ready") {
		t.Errorf("%v:\n%s", err, h.logged())
	}
}

func TestWhatOnlyAPersonCanMendEndsTheStart(t *testing.T) {
	for err, want := range map[error]bool{
		journal.ErrInUse: false, journal.ErrNewer: false, journal.ErrDamaged: false, errors.New("anything else"): false,
		fault.Newf(fault.Retry, fault.Storage, "", "", "the disk is full"):       true,
		fault.Newf(fault.Retry, fault.Storage, "", "", "%w", journal.ErrDamaged): false,
	} {
		if got := mayPass(err); got != want {
			t.Errorf("%v: it is waited for: %t, want %t", err, got, want)
		}
	}
}

func TestAnOpeningThatFailsHalfWayLeavesNothingOpen(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(h *house, cfg *config.Config)
		says  string
	}{
		"the identity is gone": {func(h *house, _ *config.Config) {
			if err := os.Remove(h.path("state/identity.txt")); err != nil {
				h.Fatal(err)
			}
		}, "the identity file"},
		"an account cannot be opened": {func(_ *house, cfg *config.Config) { cfg.Accounts["main"].APIURL = "gopher://x" }, "api_url"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			if err := h.openAndStop(); err != nil { // there is a journal, and it is not empty
				t.Fatal(err)
			}
			cfg := h.load()
			c.spoil(h, cfg)
			d := newDaemon(cfg, h.options())
			if err := d.open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("open: %v, want %q", err, c.says)
			}
			if len(d.teardown.steps) > 0 || !errors.Is(d.Ready(), errStarting) {
				t.Errorf("left to stop: %v; ready: %v", d.teardown.steps, d.Ready())
			}
			wantStateFree(t, h)
		})
	}
}

// openAndStop is a start and a stop.
func (h *house) openAndStop() error {
	d := newDaemon(h.load(), h.options())
	return errors.Join(d.open(h.Context(), h.load()), d.teardown.run(usualStop))
}

func TestASingleRunDoesWhatIsDueAndSaysWhichSlotsFail(t *testing.T) {
	h := newHouse(t)
	h.configure("  gone: {id: b1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {subscribe: {}}}\n", "initial: schedule", "initial: now")
	failed, err := RunOnce(t.Context(), h.load(), h.options())
	if err != nil || len(failed) != 1 || failed[0].Slot != "gone/subscribe" || failed[0].Failure == nil {
		t.Errorf("%+v, %v", failed, err)
	}
	if _, err := os.Stat(h.path("live-subscribe.token")); err != nil {
		t.Errorf("the slot that works: %v", err)
	}
	wantStateFree(t, h)
}

func TestASingleRunThatIsToldToStopDoesNothing(t *testing.T) {
	h := newHouse(t)
	h.configure("", "initial: schedule", "initial: now")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := RunOnce(ctx, h.load(), h.options()); !errors.Is(err, errToldToStop) {
		t.Error(err)
	}
	if _, err := os.Stat(h.path("live-subscribe.token")); err == nil {
		t.Error("something was delivered")
	}
	wantStateFree(t, h)
}

func TestASingleRunNamesTheFirstOfThoseItLeavesUnfinished(t *testing.T) {
	e := errUnfinished{[]string{"live/subscribe (settling)", "live/publish (idle)"}, 40, 50}
	want := "told to stop before all was done: of 50 slots 40 are unfinished: live/subscribe (settling), live/publish (idle) and 38 more; run again"
	if !strings.HasPrefix(e.Error(), want) {
		t.Error(e)
	}
}

func TestAProcessOfRootsSaysThatItNeedNotBe(t *testing.T) {
	for name, run := range map[string]func(*house){
		"run": func(h *house) {
			ctx, cancel := context.WithCancel(h.Context())
			cancel()
			_ = Run(ctx, h.load(), h.options())
		},
		"run --once": func(h *house) { _, _ = RunOnce(h.Context(), h.load(), h.options()) },
	} {
		h := newHouse(t)
		run(h)
		if said := strings.Contains(h.logged(), "rotatord runs as root"); said != (os.Geteuid() == 0) {
			t.Errorf("%s as user %d: said %t", name, os.Geteuid(), said)
		}
	}
}
