package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

const (
	accountID = "023e105f4ecef8ad9ca31a8372d0c353"
	apiToken  = "the-api-token-of-the-tests"
	patience  = 4 * time.Minute // for what takes milliseconds on an idle machine
)

// relayID makes up the id of the nth relay.
func relayID(n int) string { return fmt.Sprintf("%032x", 0xa1000+n) }

// world is one installation of rotatord with its Cloudflare, in a folder of its own.
type world struct {
	t      *testing.T
	dir    string
	config string // path of the configuration file
	sim    *cfsim.Sim
	api    *cloudflare
	env    []string

	identity    string   // path of the identity file, if not in the state folder
	descriptors int      // that a process may have open; 0: as many as this one
	stderr      *os.File // of a daemon, if it is not to be read
}

// newWorld makes a Cloudflare with the relays 0 to relays-1. It writes no configuration.
func newWorld(t *testing.T, relays int) *world {
	t.Helper()
	// t.TempDir gives paths that are too long for a socket.
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{t: t, dir: dir, config: filepath.Join(dir, "config.yaml"), sim: cfsim.New(cfsim.Options{})}
	w.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "GORACE=atexit_sleep_ms=0"}
	w.sim.AddAccount(accountID, cfsim.Both)
	w.sim.AddAPIToken(apiToken, cfsim.Edit, accountID)
	for n := range relays {
		w.sim.AddRelay(accountID, relayID(n), fmt.Sprintf("relay %d", n))
	}
	w.api = serveCloudflare(t, w.sim)
	w.put("api-token", apiToken+"\n")
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// put writes a file of the world.
func (w *world) put(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o750); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// read reads a file of the world; "" when there is none.
func (w *world) read(name string) string {
	b, _ := os.ReadFile(w.path(name))
	return string(b)
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
	var b strings.Builder
	fmt.Fprintf(&b, "state: {path: %s%s}\n", or(s.State, w.path("state")), w.identityKey())
	fmt.Fprintf(&b, "server: {listen: \"127.0.0.1:0\", admin_socket: %s}\n", w.socket())
	fmt.Fprintf(&b, "accounts:\n  main: {account_id: %s, api_token: {file: %s}, api_url: \"%s\"%s}\n%s",
		accountID, w.path("api-token"), w.api.url, s.Account, s.Accounts)
	fmt.Fprintf(&b, "sinks:\n  disk: {type: file, path: \"%s/{{.Relay}}/{{.Type}}.token\"%s}\n%s", w.path("tokens"), s.Disk, s.Sinks)
	fmt.Fprintf(&b, "defaults: %s\n", or(s.Defaults, manual))
	fmt.Fprintf(&b, "relays: %s\n%s", or(s.Relays, fmt.Sprintf(liveRelay, relayID(0))), s.Top)
	w.put("config.yaml", b.String())
}

func (w *world) identityKey() string {
	if w.identity == "" {
		return ""
	}
	return ", identity_file: " + w.identity
}

func (w *world) socket() string { return w.path("admin.sock") }

// result is what a command came to.
type result struct {
	code     int
	out, err string
}

// rotatord runs a command to its end. A data race in it fails the test.
func (w *world) rotatord(args ...string) result {
	w.t.Helper()
	cmd := w.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := begin(cmd); err != nil {
		w.t.Fatalf("rotatord %v: %v", args, err)
	}
	_ = cmd.Wait() // the exit code tells
	noRace(w.t, errs.String())
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(rotatord, append([]string{"-c", w.config}, args...)...)
	if w.descriptors > 0 {
		limited := fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, w.descriptors)
		cmd = exec.Command("/bin/sh", append([]string{"-c", limited, rotatord, "-c", w.config}, args...)...)
	}
	cmd.Env, cmd.Dir = w.env, w.dir
	return cmd
}

func noRace(t *testing.T, stderr string) {
	t.Helper()
	if _, race, found := strings.Cut(stderr, "WARNING: DATA RACE"); found {
		t.Errorf("rotatord has a data race:%s", race)
	}
}

// expect fails the test unless the command ended with code and said all of words,
// wherever it said them.
func (r result) expect(t *testing.T, code int, words ...string) result {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, word := range words {
		if !strings.Contains(r.out+r.err, word) {
			t.Errorf("it does not say %q", word)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.out, r.err)
	}
	return r
}

// eventually waits until check succeeds.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	vaulttest.Eventually(t, patience, check)
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
	c.sim.ServeHTTP(&eavesdropper{w, c}, r)
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

// eavesdropper notes the tokens in an answer.
type eavesdropper struct {
	http.ResponseWriter
	c *cloudflare
}

func (e *eavesdropper) Write(p []byte) (int, error) {
	e.c.mu.Lock()
	e.c.values = append(e.c.values, jwt.FindAllString(string(p), -1)...)
	e.c.mu.Unlock()
	return e.ResponseWriter.Write(p)
}

// Unwrap lets the simulator flush.
func (e *eavesdropper) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// call sends a request to Cloudflare as its other clients do.
func (w *world) call(method, path, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.api.url+"/accounts/"+accountID+"/moq/relays/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apiToken)
	if code, text, err := answer(http.DefaultClient.Do(req)); err != nil || code > 299 {
		w.t.Fatalf("%s %s: %d %s, %v", method, path, code, text, err)
	}
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
