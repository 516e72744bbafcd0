package e2e

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
)

// pipedConfig turns the configuration into a pipe: whoever reads it waits until give is called, which returns once
// somebody is reading.
func (w *world) pipedConfig() (give func(hold func())) {
	w.t.Helper()
	text := w.Read("config.yaml")
	if err := os.Remove(w.ConfigFile()); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Mkfifo(w.ConfigFile(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return func(hold func()) {
		w.t.Helper()
		f, err := os.OpenFile(w.ConfigFile(), os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			w.t.Fatal(err)
		}
		defer f.Close()
		hold()
		if _, err := f.WriteString(text); err != nil && !strings.Contains(err.Error(), "broken pipe") {
			w.t.Error(err)
		}
	}
}

func TestAHangupWhileTheDaemonStartsIsAReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	give := w.pipedConfig()
	d := w.launch("run")
	give(func() { d.Signal(syscall.SIGHUP) })
	d.ready()
	give(func() {}) // the reload reads it again
	d.says("configuration reloaded")
	d.ready()
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAHangupEndsARunOnceInOrder(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]syscall.Signal{"a hangup": syscall.SIGHUP, "as SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.configure(settings{Defaults: "{schedule: manual, initial: now, sinks: [disk]}"})
			w.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.Slow, Delay: 2 * time.Second})
			d := w.launch("run", "--once")
			d.until(func() error {
				if w.sim.Counts()[cfsim.Create] == 0 {
					return errors.New("nothing is minted")
				}
				return nil
			})
			d.Signal(s)
			if code := d.wait(); code > 1 || !d.State().Exited() {
				t.Errorf("it ended with %s", d.State())
			}
			w.rotatord("run", "--once").Expect(t, 0)
			if n := w.sim.Counts()[cfsim.Create]; n != 1 {
				t.Errorf("%d tokens were minted", n)
			}
		})
	}
}

func TestAHangupBeforeARunOnceHasBegunHasItDoNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{Defaults: "{schedule: manual, initial: now, sinks: [disk]}"})
	give := w.pipedConfig()
	d := w.launch("run", "--once")
	give(func() { d.Signal(syscall.SIGHUP) })
	d.wait()
	if n := w.sim.Counts()[cfsim.Create]; n > 0 || !d.State().Exited() {
		t.Errorf("it ended with %s, and minted %d tokens", d.State(), n)
	}
}

func TestAHangupEndsAnyOtherVerb(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"check", "status", "plan"} {
		w := newWorld(t, 1)
		w.configure(settings{})
		give := w.pipedConfig()
		d := w.launch(verb)
		give(func() {
			d.Signal(syscall.SIGHUP)
			d.wait()
		})
		if status, ok := d.State().Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGHUP {
			t.Errorf("%s: it ended with %s", verb, d.State())
		}
	}
}
