package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const (
	oneMore = "{live: {id: %s, labels: {team: video}, tokens: {subscribe: {}}}, other: {id: %s, tokens: {subscribe: {initial: now}}}}"
	perHalf = `{schedule: "@every 1s", grace: 300ms, initial: schedule, sinks: [disk]}`
)

// reload has the daemon read its configuration again, through the admin socket.
func (d *daemon) reload() {
	d.t.Helper()
	if code, body, err := d.ask(http.MethodPost, "/-/reload"); err != nil || code != http.StatusOK {
		d.t.Fatalf("reload: %d %s, %v", code, body, err)
	}
}

func TestReloadChangesASchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	if d.token("live/subscribe") != "" {
		t.Fatal("it rotated by itself")
	}
	w.configure(settings{Defaults: perHalf})
	d.Signal(syscall.SIGHUP)
	first := d.served(0, "live/subscribe")
	d.until(func() error {
		if d.token("live/subscribe") == first {
			return fmt.Errorf("it has not rotated again")
		}
		return nil
	})
	w.configure(settings{})
	d.reload()
	if s := d.slot("live/subscribe"); !s.Manual || !s.NextRotation.IsZero() {
		t.Errorf("after the schedule was taken away: %+v", s)
	}
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == slot.StateIdle && len(s.OldTokens) == 0 })
	d.served(0, "live/subscribe")
}

func TestReloadOverTCPTakesAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	code, body, err := harness.Answer(http.Post("http://"+d.address()+"/-/reload", "", http.NoBody))
	if err != nil || code != http.StatusForbidden || !strings.Contains(body, "changes need authentication") {
		t.Errorf("%d %s %v", code, body, err)
	}
}

func TestABadReloadChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.configure(settings{Defaults: "{schedule: manual, initial: schedule, grace: 100ms, sinks: [disk]}"})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	good := w.Read("config.yaml")
	for name, c := range map[string]struct{ from, to, says string }{
		"a fault":              {"defaults:", "defualts:", "config.yaml:"},
		"half a file":          {good[strings.Index(good, "relays:")+len("rel"):], "", "config.yaml:"},
		"what takes a restart": {"state:", "instance: another\nstate:", "instance was changed: that takes effect only with a restart"},
		"another state folder": {w.Path("state"), w.Path("elsewhere"), "state.path was changed: that takes effect only with a restart"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, c.from, c.to, 1)
			if bad == good {
				t.Fatal("nothing was replaced")
			}
			w.Put("config.yaml", bad)
			code, body, err := d.ask(http.MethodPost, "/-/reload")
			if err != nil || code != http.StatusBadRequest || !strings.Contains(body, c.says) || !strings.Contains(body, "the former configuration stays in force") {
				t.Errorf("reload: %d %s, %v", code, body, err)
			}
			d.predict(expectations{"config_last_reload_successful": is(0)})
			w.Put("config.yaml", good) // for the command line
			d.rotatord("rotate", "live").Expect(t, 0)
			d.served(0, "live/subscribe")
		})
	}
	d.reload()
	d.predict(expectations{"config_last_reload_successful": is(1)})
}

func TestTheVerbReloadSaysWhatChangedOrFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.configure(settings{})
	d := w.start()
	d.rotatord("reload").Expect(t, 0, "nothing has changed")
	w.configure(settings{Disk: ", timeout: 3s", Relays: fmt.Sprintf(oneMore, harness.RelayID(0), harness.RelayID(1))})
	d.rotatord("reload").Expect(t, 0, "slots added: other/subscribe", "sinks changed: disk (timeout)", "the new configuration is in force")
	d.slot("other/subscribe") // it was so when the verb returned

	good := w.Read("config.yaml")
	w.Put("config.yaml", strings.Replace(good, "defaults:", "defualts:", 1))
	d.rotatord("reload").Expect(t, 1, "reload refused, the former configuration stays in force", "config.yaml:", "did you mean defaults?")
	w.Put("config.yaml", good+"log: {format: console}\n")
	d.rotatord("reload").Expect(t, 0, "needs a restart, until which the former value is in force: log.format")
	d.rotatord("status").Expect(t, 0, "another value of log.format than is in force")
	w.Put("config.yaml", good)
	d.rotatord("reload", "-o", "json").Expect(t, 0, `"status": "configuration reloaded"`)
	if d.stop() != 0 {
		t.Error("the daemon did not stop cleanly")
	}
	d.rotatord("reload").Expect(t, 3, "no daemon answers at "+w.Socket())
}

func TestReloadAddsAndRemovesSlots(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.configure(settings{})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	w.configure(settings{Relays: fmt.Sprintf(oneMore, harness.RelayID(0), harness.RelayID(1))})
	d.reload()
	other := d.served(1, "other/subscribe")
	d.predict(expectations{"rotations_total result=success relay=other": is(1), "rotations_total result=success relay=live": is(1)})
	w.configure(settings{})
	d.reload()
	d.predict(expectations{"rotations_total result=success relay=other": absent(), "slot_info relay=other": absent()})
	if r := d.rotatord("status").Expect(t, 0); strings.Contains(r.Out, "other") {
		t.Errorf("a removed slot is shown:\n%s", r.Out)
	}
	d.rotatord("rotate", "other").Expect(t, 1, `no slot is called "other"`)
	if !d.sim.Accepts(harness.RelayID(1), other) {
		t.Error("the removed slot's token was revoked")
	}
	w.configure(settings{Relays: fmt.Sprintf(oneMore, harness.RelayID(0), harness.RelayID(1))})
	d.reload()
	d.untilSlot("other/subscribe", func(s slot.Status) bool {
		return s.TokenID != "" && s.Sinks[0].State == "ok" // it is remembered: nothing was minted
	})
	if d.token("other/subscribe") != other {
		t.Error("a slot that came back was rotated as if it were new")
	}
}

func TestReloadAddsAndRemovesSinks(t *testing.T) {
	t.Parallel()
	const second = "  second: {type: file, path: \"%s/{{.Relay}}/{{.Type}}.token\"}\n"
	for strategy, more := range map[string]string{"overlap": ", grace: 1h", "in_place": ""} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			defaults := func(sinks string) string {
				return fmt.Sprintf("{schedule: manual, initial: schedule, strategy: %s, sinks: [%s]%s}", strategy, sinks, more)
			}
			sink := fmt.Sprintf(second, w.Path("second"))
			w.configure(settings{Defaults: defaults("disk")})
			d := w.start()
			d.rotatord("rotate", "live").Expect(t, 0)
			first := d.token("live/subscribe")

			w.configure(settings{Sinks: sink, Defaults: defaults("disk, second")})
			d.reload()
			if strategy == "overlap" {
				d.untilSlot("live/subscribe", func(s slot.Status) bool {
					return !slices.ContainsFunc(s.Sinks, func(ts slot.TargetStatus) bool { return ts.State != "ok" }) && len(s.OldTokens) == 1
				})
				if now := d.token("live/subscribe"); now == first || w.Read("second/live/subscribe.token") != now {
					t.Error("the new sink did not get a new token together with the old sink")
				}
			} else {
				d.untilSlot("live/subscribe", func(s slot.Status) bool { return strings.Contains(s.Note, "a new target waits") })
				d.rotatord("status").Expect(t, 0, "a new target waits for the next scheduled rotation", "second pending")
				if d.token("live/subscribe") != first {
					t.Error("it rotated before its time")
				}
			}

			w.configure(settings{Defaults: defaults("disk")})
			d.reload()
			d.predict(expectations{"sink_up sink=second": absent(), "sink_deliveries_total sink=second": absent()})
			held := w.Read("second/live/subscribe.token")
			d.rotatord("rotate", "live").Expect(t, 0)
			d.served(0, "live/subscribe")
			if strategy == "overlap" && !d.sim.Accepts(harness.RelayID(0), held) {
				t.Error("a token that a removed sink may hold was revoked, and not left to expire")
			}
		})
	}
}
