package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

var (
	update = flag.Bool("update", false, "write the files in testdata anew")

	// testHangups are made outside of any bubble, as what they start never ends.
	testHangups = daemon.CatchHangups()
)

// fakeDaemon answers on an admin socket with what a test has given it.
type fakeDaemon struct {
	Slots  []slot.Status
	Notes  []string
	Leader *adminapi.Leader
	Events []slot.Event
	Tokens []adminapi.Token
	Former []adminapi.Token // what prune lists
	Pruned []adminapi.Token // what prune did
	Runs   []adminapi.Run
	Reload adminapi.ReloadResult
	After  map[string]slot.Status // a slot's status once its rotation was asked for
	Fails  map[string]string      // what is wrong, by path
	asked  []string
	rotate map[string]bool // the slots of which a rotation was asked for
}

func (d *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.asked = append(d.asked, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
	status, answer := d.answer(r, string(body))
	if text, ok := d.Fails[r.URL.Path]; ok {
		status, answer = http.StatusConflict, adminapi.Problem{Error: text}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (d *fakeDaemon) answer(r *http.Request, body string) (int, any) {
	switch part := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/"); {
	case r.URL.Path == "/-/ready":
		return http.StatusOK, "ready"
	case r.URL.Path == "/-/reload":
		return http.StatusOK, d.Reload
	case part[0] == "history":
		return http.StatusOK, adminapi.EventList{Events: d.Events}
	case part[0] == "plan":
		return http.StatusOK, adminapi.RunList{Runs: d.Runs}
	case part[0] == "tokens" && len(part) == 2:
		return http.StatusOK, adminapi.TokenList{Tokens: d.Tokens}
	case part[0] == "tokens" && strings.Contains(body, "dry_run"):
		return http.StatusOK, adminapi.TokenList{Tokens: d.Former}
	case part[0] == "tokens":
		return http.StatusOK, adminapi.TokenList{Tokens: d.Pruned}
	case len(part) == 1:
		return http.StatusOK, adminapi.SlotList{Slots: d.present(), Notes: d.Notes, Leader: d.Leader}
	default:
		return d.slot(part[1]+"/"+part[2], len(part) == 4)
	}
}

// present are the slots, after what was asked for.
func (d *fakeDaemon) present() []slot.Status {
	out := slices.Clone(d.Slots)
	for i, s := range out {
		if after, ok := d.After[s.Slot]; ok && d.rotate[s.Slot] {
			out[i] = after
		}
	}
	return out
}

func (d *fakeDaemon) slot(name string, rotate bool) (int, any) {
	if rotate {
		if d.rotate == nil {
			d.rotate = map[string]bool{}
		}
		d.rotate[name] = true
	}
	for _, s := range d.Slots {
		if s.Slot != name {
			continue
		}
		if after, ok := d.After[name]; ok && !rotate {
			return http.StatusOK, after
		}
		s.Requested = time.Now().UTC()
		return http.StatusAccepted, s
	}
	return http.StatusNotFound, adminapi.Problem{Error: "there is no slot " + name}
}

// transcript is what somebody at a terminal would see.
type transcript struct {
	*testing.T
	dir  string
	env  []string // of the command lines that follow, NAME=value
	text strings.Builder
}

// record runs story where it is 2000-01-01 00:00:00 UTC for as long as it lasts, beside a daemon if one is
// given, and compares what is seen with a file in testdata.
func record(t *testing.T, golden string, d *fakeDaemon, story func(*transcript)) {
	dir, err := os.MkdirTemp("", "cli-") // its path is short, as a socket's must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tr := &transcript{T: t, dir: dir}
	tr.put("config.yaml", goodConfig)
	synctest.Test(t, func(*testing.T) {
		if d != nil {
			l, err := net.Listen("unix", tr.path("admin.sock"))
			if err != nil {
				t.Fatal(err)
			}
			s := &http.Server{Handler: d, ReadHeaderTimeout: time.Minute}
			defer func() { _ = s.Close() }()
			go func() { _ = s.Serve(l) }()
		}
		story(tr)
	})
	wantGolden(t, golden, tr.text.String())
}

func wantGolden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s is:\n%s\nwant:\n%s", path, text, want)
	}
}

const goodConfig = `instance: test
state: {path: DIR/state}
server: {listen: "", admin_socket: DIR/admin.sock}
accounts:
  main: {account_id: 023e105f4ecef8ad9ca31a8372d0c353, api_token: {file: DIR/api-token}}
sinks:
  disk: {type: file, path: "DIR/{{.Relay}}-{{.Type}}"}
defaults: {schedule: "0 4 * * *", sinks: [disk]}
relays:
  live: {id: a1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {publish_subscribe: {}, subscribe: {schedule: "@every 8h"}}}
`

func (tr *transcript) path(name string) string { return filepath.Join(tr.dir, name) }

// put writes a file, in which DIR is the folder of the story.
func (tr *transcript) put(name, text string) {
	tr.Helper()
	if err := os.WriteFile(tr.path(name), []byte(strings.ReplaceAll(text, "DIR", tr.dir)), 0o600); err != nil {
		tr.Fatal(err)
	}
}

// say adds a line of explanation.
func (tr *transcript) say(text string) { fmt.Fprintf(&tr.text, "# %s\n", text) }

func (tr *transcript) masked(text string) string { return strings.ReplaceAll(text, tr.dir, "DIR") }

// run adds a command line, what it prints (what goes to standard error behind a "!") and its exit code, unless that is 0.
func (tr *transcript) run(args ...string) {
	tr.execute(args, append([]string{"-c", tr.path("config.yaml")}, args...))
}

// runBare is run of a command line that does not name the configuration.
func (tr *transcript) runBare(args ...string) { tr.execute(args, args) }

func (tr *transcript) execute(shown, args []string) {
	var out, errs bytes.Buffer
	code := execute(context.Background(), args,
		stdio{in: strings.NewReader(""), out: &out, err: &errs, pause: func(context.Context, time.Duration) {}},
		daemon.Environment{Environment: secret.NewEnvironment(tr.env)}, testHangups)
	words := append(slices.Clone(tr.env), append([]string{"rotatord"}, shown...)...)
	fmt.Fprintf(&tr.text, "$ %s\n%s", tr.masked(strings.Join(words, " ")), tr.masked(out.String()))
	for line := range strings.Lines(tr.masked(errs.String())) {
		tr.text.WriteString("! " + line)
	}
	if code != exitDone {
		fmt.Fprintf(&tr.text, "[exit code %d]\n", code)
	}
	tr.text.WriteString("\n")
}
