package daemon

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/internal/config"
)

func TestABadReloadChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *house)
		says   string
	}{
		"no YAML":              {func(h *house) { h.put("config.yaml", "{") }, "config.yaml"},
		"an unknown key":       {func(h *house) { h.configure("", "relays:", "relay:") }, "relay"},
		"a fault in a slot":    {func(h *house) { h.configure("log: {level: debug}\n", "schedule: manual", "schedule: whenever") }, "whenever"},
		"another instance":     {func(h *house) { h.configure("log: {level: debug}\n", "instance: test", "instance: other") }, "instance was changed"},
		"another state folder": {func(h *house) { h.configure("", h.path("state"), h.path("other")) }, "state.path was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			d := h.opened()
			before, slots := d.backends.Load(), slotNames(d)
			c.change(h)
			_, err := d.Reload(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("reload: %v, want %q", err, c.says)
			}
			wantUnchanged(t, d, before, slots)
			if got := scrape(d, "rotatord_config_last_reload_successful"); got != "0" {
				t.Errorf("the metric says %q", got)
			}
			if logged := h.logged(); !strings.Contains(logged, "reload failed; the former configuration stays in force") {
				t.Error(logged)
			}
			h.configure("")
			if _, err := d.Reload(t.Context()); err != nil || scrape(d, "rotatord_config_last_reload_successful") != "1" {
				t.Errorf("mended: %v", err)
			}
		})
	}
}

// wantUnchanged demands that everything works as before, and nothing is about to be closed.
func wantUnchanged(t *testing.T, d *daemon, before *backends, slots string) {
	t.Helper()
	if d.backends.Load() != before || len(d.former.pendingCloses()) > 0 || d.level.Level() != zapcore.InfoLevel || slotNames(d) != slots {
		t.Errorf("the same backends: %t; closing: %d; level: %s; slots: %s",
			d.backends.Load() == before, len(d.former.pendingCloses()), d.level.Level(), slotNames(d))
	}
	if err := d.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
}

// What the configuration cannot see, only opening does.
func TestAConfigurationThatCannotBeOpenedIsNotPutIntoForce(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	before, slots := d.backends.Load(), slotNames(d)
	h.configure("log: {level: debug}\n")
	cfg := h.load()
	cfg.Accounts["other"] = &config.Account{AccountID: "none", APIURL: cfg.Accounts["main"].APIURL}
	if _, err := d.apply(t.Context(), cfg, d.core.Load().engine); err == nil || !strings.Contains(err.Error(), "account other") {
		t.Errorf("apply: %v", err)
	}
	wantUnchanged(t, d, before, slots)
}

func TestAReloadPutsEverythingIntoForceAndKeepsWhatIsConfiguredAlike(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	before := d.backends.Load()
	h.configure("log: {level: warn}\n", "tokens: {subscribe: {}}", "tokens: {publish_subscribe: {}, subscribe: {strategy: in_place}}")
	if result, err := d.Reload(t.Context()); err != nil || len(result.Warnings) > 0 {
		t.Fatalf("%v, %q", err, result.Warnings)
	}
	if got := slotNames(d); got != "live/publish_subscribe (overlap), live/subscribe (in_place)" {
		t.Errorf("it works at %s", got)
	}
	after := d.backends.Load()
	if after == before || after.sinks["disk"] != before.sinks["disk"] || after.byName["main"] != before.byName["main"] {
		t.Error("what is configured alike was not kept")
	}
	if d.level.Level() != zapcore.WarnLevel || len(d.former.pendingCloses()) != 1 {
		t.Errorf("level %s; %d former ones are to be closed", d.level.Level(), len(d.former.pendingCloses()))
	}
}

func TestOnceADaemonStopsNoReloadOpensAnything(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	if err := d.teardown.run(usualStop); err != nil {
		t.Fatal(err)
	}
	before := d.backends.Load()
	if _, err := d.Reload(t.Context()); !errors.Is(err, errStopping) || d.backends.Load() != before {
		t.Errorf("reload: %v", err)
	}
}
