package daemon

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

const accountID = "023e105f4ecef8ad9ca31a8372d0c353"

// house is a folder with a configuration that everything works of.
type house struct {
	*testing.T
	dir   string
	sim   *cfsim.Sim
	api   string         // of sim
	ahead *atomic.Int64  // sim's clock, of this machine's
	logs  []*logging.Log // those of options, which all lead to the file log
}

func newHouse(t *testing.T) *house {
	t.Helper()
	ahead := &atomic.Int64{}
	sim := cfsim.New(cfsim.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	sim.AddAccount(accountID, cfsim.Both)
	sim.AddAPIToken("a-token", cfsim.Edit, accountID)
	sim.AddRelay(accountID, relayID, "studio")
	s := httptest.NewServer(sim)
	t.Cleanup(s.Close)
	h := &house{T: t, dir: t.TempDir(), sim: sim, ahead: ahead, api: s.URL + "/client/v4"}
	h.put("token", "a-token")
	h.configure("")
	return h
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

func (h *house) put(name, text string) {
	h.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

// configure writes a configuration of one slot; more are lines of it, and replacing pairs of old and new text in it.
func (h *house) configure(more string, replacing ...string) {
	h.Helper()
	text := strings.NewReplacer("DIR", h.dir, "API", h.api, "ACCOUNT", accountID, "RELAY", relayID).Replace(`
instance: test
state: {path: DIR/state}
server: {listen: "127.0.0.1:0", admin_socket: DIR/admin.sock}
accounts:
  main: {account_id: ACCOUNT, api_url: API, api_token: {file: DIR/token}}
sinks:
  disk: {type: file, path: "DIR/{{.Relay}}-{{.Type}}.token"}
defaults: {schedule: manual, initial: schedule, sinks: [disk]}
relays:
  live: {id: RELAY, tokens: {subscribe: {}}}
`) + more
	for i := 0; i < len(replacing); i += 2 {
		if !strings.Contains(text, replacing[i]) {
			h.Fatalf("%q is not in the configuration", replacing[i])
		}
		text = strings.ReplaceAll(text, replacing[i], replacing[i+1])
	}
	h.put("config.yaml", text)
}

func (h *house) load() *config.Config {
	h.Helper()
	cfg, err := config.Load(h.path("config.yaml"), all.Specs())
	if err != nil {
		h.Fatal(err)
	}
	return cfg
}

// options log to the file log.
func (h *house) options() Options {
	h.Helper()
	out, err := os.OpenFile(h.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.Fatal(err)
	}
	lines := logging.New(out)
	h.logs = append(h.logs, lines)
	h.Cleanup(func() {
		lines.Close()
		_ = out.Close()
	})
	return Options{ConfigPath: h.path("config.yaml"), Env: TakeEnvironment(), Log: lines, Version: "v1"}
}

// logged is what the log says; what was logged before is in it, however slow the machine is.
func (h *house) logged() string {
	h.Helper()
	for _, l := range h.logs {
		l.Sync()
	}
	text, err := os.ReadFile(h.path("log"))
	if err != nil {
		h.Fatal(err)
	}
	return string(text)
}

// opened returns a daemon that works, without pages, and that is stopped at the end of the test.
func (h *house) opened() *daemon {
	h.Helper()
	d := newDaemon(h.load(), h.options())
	if err := d.open(h.Context(), h.load()); err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		if err := d.teardown.run(usualStop); err != nil {
			h.Errorf("the daemon does not stop: %v", err)
		}
	})
	return d
}

// slotNames are what a daemon works at.
func slotNames(d *daemon) string {
	var names []string
	for s := range d.Statuses {
		names = append(names, fmt.Sprintf("%s (%s)", s.Slot, s.Strategy))
	}
	return strings.Join(names, ", ")
}
