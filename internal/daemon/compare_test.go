package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

const second = "  spare: {id: b1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {subscribe: {}}}\n"

func TestAReloadSaysWhatHasChanged(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	reload := func() string {
		t.Helper()
		result, err := d.Reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if logged := h.logged(); len(result.Lines()) > 0 && !strings.Contains(logged, result.Lines()[0]) {
			t.Errorf("the log does not say %q", result.Lines())
		}
		return strings.Join(result.Lines(), "; ")
	}
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("it says\n%q, want\n%q", got, want)
		}
	}
	want(reload(), "")
	h.configure(second+"log: {level: debug}\nmetrics: {per_slot: false}\n", "type: file,", "type: file, timeout: 3s,",
		"api_url:", "rate_limit: {share: 1}, api_url:", "tokens: {subscribe: {}}}\n"+second, "tokens: {subscribe: {verify: false}}}\n"+second)
	want(reload(), "slots added: spare/subscribe; slots changed: live/subscribe (verify); sinks changed: disk (timeout); "+
		"accounts changed: main (rate_limit); settings changed: log.level, metrics.per_slot")
	want(reload(), "")
	h.configure("", "  live:", "  on-air:")
	want(reload(), "slots removed: spare/subscribe; slots changed: on-air/subscribe (name, verify, sinks); sinks changed: disk (timeout); "+
		"accounts changed: main (rate_limit); settings changed: log.level, metrics.per_slot")
}

func TestTheLogOfAReloadCountsWhatTheConfigurationIsWarnedOf(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	h.configure("", "tokens: {subscribe: {}}", "tokens: {subscribe: {timezone: Local}}")
	if _, err := d.Reload(t.Context()); err != nil || !strings.Contains(h.logged(), `"warnings":1`) {
		t.Errorf("%v, logged\n%s", err, h.logged())
	}
}

func TestAReloadPutsAnotherShutdownTimeoutIntoForce(t *testing.T) {
	h := newHouse(t)
	d, first := h.opened(), h.load()
	h.configure("shutdown_timeout: 7s\n")
	result, err := d.Reload(t.Context())
	if err != nil || !slices.Equal(result.Settings, []string{"shutdown_timeout"}) || len(result.NeedsRestart)+len(d.Notes()) > 0 {
		t.Errorf("changed %q, waiting for a restart %q, noted %q, %v", result.Settings, result.NeedsRestart, d.Notes(), err)
	}
	if got := d.shutdownTimeout(first); got != 7*time.Second {
		t.Errorf("a stop may take %s", got)
	}
}

// What a process takes up only when it starts keeps nothing else of the file from being put into force.
func TestAReloadSaysWhatNeedsARestart(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	h.configure("log: {level: warn, format: console}\n", "127.0.0.1:0", "127.0.0.1:1")
	for range 2 { // that it was told once does not put it into force
		result, err := d.Reload(t.Context())
		if err != nil || !slices.Equal(result.NeedsRestart, []string{"log.format", "server.listen"}) {
			t.Errorf("%q, %v", result.NeedsRestart, err)
		}
		if d.level.Level() != zapcore.WarnLevel {
			t.Error("the rest is not in force")
		}
		if notes := strings.Join(d.Notes(), "; "); !strings.Contains(notes, "another value of log.format, server.listen than is in force") {
			t.Errorf("status notes %q", notes)
		}
	}
	h.configure("")
	if result, err := d.Reload(t.Context()); err != nil || len(result.NeedsRestart) > 0 || len(d.Notes()) > 0 {
		t.Errorf("changed back: %q, %v; %q", result.NeedsRestart, err, d.Notes())
	}
}

func TestARefusedReloadIsNotedUntilOneIsNot(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	h.configure("", "type: file,", "type: flie,")
	_, err := d.Reload(t.Context())
	if notes := strings.Join(d.Notes(), "; "); err == nil || !strings.Contains(notes, "was refused, and the former configuration stays in force") {
		t.Errorf("%v; status notes %q", err, notes)
	}
	h.configure("")
	if _, err := d.Reload(t.Context()); err != nil || len(d.Notes()) > 0 {
		t.Errorf("mended: %v; status notes %q", err, d.Notes())
	}
}

func TestARefusedReloadTellsEachFaultOnALineOfItsOwn(t *testing.T) {
	h := newHouse(t)
	d := h.opened()
	h.configure("", "type: file,", "type: flie,", "schedule: manual", "schedule: whenever")
	_, err := d.Reload(t.Context())
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 || lines[0] != "reload refused, the former configuration stays in force:" ||
		!strings.HasPrefix(lines[2], h.path("config.yaml:9:")) {
		t.Errorf("%q", lines)
	}
}
