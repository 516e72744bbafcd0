package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// daemon is a running rotatord.
type daemon struct {
	*world
	*harness.Process
	admin *harness.Admin
	api   *adminapi.Client
	logs  *output
	at    string // the address of the listener, where the log does not tell it
}

// start runs the daemon and waits until it is ready.
func (w *world) start() *daemon {
	w.t.Helper()
	d := w.launch("run")
	d.ready()
	return d
}

// launch runs a command in the background. It is stopped when the test ends.
func (w *world) launch(args ...string) *daemon {
	w.t.Helper()
	return w.launchCommand(w.command(args...))
}

func (w *world) launchCommand(cmd *exec.Cmd) *daemon {
	w.t.Helper()
	d := &daemon{world: w, admin: harness.NewAdmin(w.Socket()), api: adminapi.NewClient(w.Socket()), logs: &output{}}
	cmd.Stdout, cmd.Stderr = d.logs, d.logs
	if w.stderr != nil {
		cmd.Stderr = w.stderr
	}
	d.Process = rotatord.Start(w.t, cmd)
	w.t.Cleanup(d.clean)
	return d
}

func (d *daemon) clean() {
	d.Kill()
	d.api.Close()
	harness.CheckRaces(d.t, d.logs.String())
	if d.t.Failed() {
		d.t.Logf("the end of the daemon's output:\n%s", d.logs.tail(40))
	}
}

// stop asks the daemon to stop, and returns its exit code.
func (d *daemon) stop() int {
	d.t.Helper()
	d.Signal(syscall.SIGTERM)
	return d.wait()
}

// wait waits until the process has ended, and returns its exit code.
func (d *daemon) wait() int {
	d.t.Helper()
	return d.Wait(d.t, patience)
}

func (d *daemon) ready() {
	d.t.Helper()
	d.until(func() error { return d.admin.Ready(d.t.Context()) })
}

// until waits until check succeeds; the daemon must not end meanwhile.
func (d *daemon) until(check func() error) {
	d.t.Helper()
	harness.Eventually(d.t, patience, "waiting for the daemon", func() error {
		err := check()
		if state := d.State(); state != nil && err != nil {
			d.t.Fatalf("the daemon ended with code %d; %v", state.ExitCode(), err)
		}
		return err
	})
}

// get asks the daemon through its admin socket.
func (d *daemon) get(path string) (code int, body string, err error) {
	return d.ask(http.MethodGet, path)
}

func (d *daemon) ask(method, path string) (code int, body string, err error) {
	return d.admin.Ask(d.t.Context(), method, path)
}

// address is that of the TCP listener, as the daemon says it.
func (d *daemon) address() (addr string) {
	d.t.Helper()
	if d.at != "" {
		return d.at
	}
	d.until(func() error {
		for _, line := range d.logs.lines() {
			if line["msg"] == "Listening on" {
				addr, _ = line["address"].(string)
				return nil
			}
		}
		return errors.New("the daemon does not say where it listens")
	})
	return addr
}

// slot returns a slot's status.
func (d *daemon) slot(name string) slot.Status {
	d.t.Helper()
	relay, typ, _ := strings.Cut(name, "/")
	s, err := d.api.Slot(d.t.Context(), relay, typ)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// untilSlot waits until a slot's status satisfies ok.
func (d *daemon) untilSlot(name string, ok func(slot.Status) bool) (s slot.Status) {
	d.t.Helper()
	d.until(func() error {
		if s = d.slot(name); !ok(s) {
			return fmt.Errorf("slot %s: %+v", name, s)
		}
		return nil
	})
	return s
}

// says waits until the daemon has logged all the words in one line.
func (d *daemon) says(words ...string) {
	d.t.Helper()
	d.until(func() error {
		for line := range strings.Lines(d.logs.String()) {
			if containsAll(line, words) {
				return nil
			}
		}
		return fmt.Errorf("the daemon has not said %q", words)
	})
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// output collects what a process says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// lines returns the lines that are JSON.
func (o *output) lines() (out []map[string]any) {
	for line := range strings.Lines(o.String()) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil {
			out = append(out, m)
		}
	}
	return out
}

func (o *output) tail(n int) string {
	lines := strings.Split(strings.TrimSpace(o.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// served waits until the file sink holds a token of the slot that its relay accepts.
func (d *daemon) served(relay int, name string) (value string) {
	d.t.Helper()
	d.until(func() error {
		if value = d.token(name); !d.sim.Accepts(harness.RelayID(relay), value) {
			return fmt.Errorf("the target of %s holds no token that is accepted", name)
		}
		return nil
	})
	return value
}

// token is what the file sink holds for a slot.
func (w *world) token(name string) string {
	text, _ := os.ReadFile(filepath.Join(cmp.Or(w.files, w.Path("tokens")), name+".token"))
	return string(text)
}
