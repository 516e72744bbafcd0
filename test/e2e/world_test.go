package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/test/harness"
)

// patience is for what takes milliseconds on an idle machine.
const patience = 4 * time.Minute

// world is one installation of rotatord with its Cloudflare, in a folder of its own.
type world struct {
	*harness.Folder
	t   *testing.T
	sim *cfsim.Sim
	api *cloudflare
	env []string

	binary      *harness.Binary // that is run
	identity    string          // path of the identity file, if not in the state folder
	etcd        string          // keys of an etcd that has the state; "": it is in a folder
	files       string          // folder of the sink disk; "": tokens
	descriptors int             // that a process may have open; 0: as many as this one
	stderr      *os.File        // of a daemon, if it is not to be read
}

// newWorld makes a Cloudflare with the relays 0 to relays-1. It writes no configuration.
func newWorld(t *testing.T, relays int) *world {
	t.Helper()
	w := &world{Folder: harness.NewFolder(t), t: t, sim: harness.NewSim(cfsim.Options{}, relays), binary: rotatord}
	w.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.Dir, "TMPDIR=" + w.Dir, "GORACE=atexit_sleep_ms=0"}
	w.api = serveCloudflare(t, w.sim)
	return w
}

// settings are the parts of a configuration that differ between tests, in YAML.
// What is left empty has a default that rotates only when asked.
type settings struct {
	Top      string // whole top-level entries
	State    string // folder of the journal
	Account  string // more keys of the account
	Accounts string // more accounts
	Disk     string // more keys of the sink disk
	Sinks    string // more sinks
	Defaults string
	Relays   string
	Listen   string // address of the listener; its keys
	Server   string
}

const (
	manual    = "{schedule: manual, initial: schedule, grace: 1h, sinks: [disk]}"
	liveRelay = "{live: {id: %s, labels: {team: video}, tokens: {subscribe: {}}}}"
)

// configure writes the configuration.
func (w *world) configure(s settings) {
	w.t.Helper()
	or := func(text, other string) string {
		if text == "" {
			return other
		}
		return text
	}
	state := "path: " + or(s.State, w.Path("state"))
	if w.etcd != "" {
		state = "etcd: {" + w.etcd + "}"
	}
	if w.identity != "" {
		state += ", identity_file: " + w.identity
	}
	disk := fmt.Sprintf("  disk: {type: file, path: \"%s/{{.Relay}}/{{.Type}}.token\"%s}\n", or(w.files, w.Path("tokens")), s.Disk)
	w.Configure(harness.Config{
		Top: s.Top, State: state, Listen: s.Listen, Server: s.Server, APIURL: w.api.url, Account: s.Account, Accounts: s.Accounts, Sinks: disk + s.Sinks,
		Defaults: or(s.Defaults, manual), Relays: or(s.Relays, fmt.Sprintf(liveRelay, harness.RelayID(0))),
	})
}

// rotatord runs a command to its end. A data race in it fails the test.
func (w *world) rotatord(args ...string) harness.Result {
	w.t.Helper()
	return rotatord.Run(w.t, patience, w.command(args...))
}

func (w *world) command(args ...string) *exec.Cmd {
	path := w.binary.Path(w.t)
	cmd := exec.Command(path, append([]string{"-c", w.ConfigFile()}, args...)...)
	if w.descriptors > 0 {
		limited := fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, w.descriptors)
		cmd = exec.Command("/bin/sh", append([]string{"-c", limited, path, "-c", w.ConfigFile()}, args...)...)
	}
	cmd.Env, cmd.Dir = w.env, w.Dir
	return cmd
}

// cloudflare serves a simulated Cloudflare on loopback, remembers every token's
// value that it hands out, and can go away.
type cloudflare struct {
	url  string
	addr string
	sim  http.Handler

	mu     sync.Mutex
	server *http.Server
	values []string
	broken string // the HTTP method that is answered with 500
}

func serveCloudflare(t *testing.T, sim http.Handler) *cloudflare {
	t.Helper()
	c := &cloudflare{sim: sim, addr: "127.0.0.1:0"}
	c.up(t)
	c.url = "http://" + c.addr + cfsim.BasePath
	t.Cleanup(c.down)
	return c
}

// up makes it reachable, at the same address as before.
func (c *cloudflare) up(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	c.addr = l.Addr().String()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: patience}
	go func(s *http.Server) { _ = s.Serve(l) }(c.server)
}

// down makes connections be refused.
func (c *cloudflare) down() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.server.Close()
}

func (c *cloudflare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	broken := c.broken == r.Method
	c.mu.Unlock()
	if broken {
		http.Error(w, `{"success": false, "errors": [{"code": 21006, "message": "internal server error"}]}`, http.StatusInternalServerError)
		return
	}
	harness.Overhear(c.sim, c.note).ServeHTTP(w, r)
}

// breakMethod has every call of a method fail until another, or "", is named.
func (c *cloudflare) breakMethod(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = method
}

// jwt is what a token's value looks like, whole or in part.
var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

// handedOut lists the values of all tokens so far.
func (c *cloudflare) handedOut() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.values...)
}

// note takes down the tokens in a part of an answer.
func (c *cloudflare) note(part []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values = append(c.values, jwt.FindAllString(string(part), -1)...)
}

// call sends a request to Cloudflare as its other clients do.
func (w *world) call(method, path, body string) {
	w.t.Helper()
	harness.Call(w.t, w.api.url, method, path, body)
}

// fill makes n tokens of somebody else's on a relay.
func (w *world) fill(relay string, n int) {
	w.t.Helper()
	for range n {
		w.call(http.MethodPost, relay+"/tokens", `{"operations": ["subscribe"]}`)
	}
}

func (w *world) revoke(relay, id string) {
	w.t.Helper()
	w.call(http.MethodDelete, relay+"/tokens/"+id, "")
}
