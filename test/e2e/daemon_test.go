package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/slot"
)

// daemon is a running rotatord.
type daemon struct {
	*world
	cmd  *exec.Cmd
	logs *output
	done chan struct{} // closed when the process has ended
	http *http.Client  // through the admin socket
	api  *adminapi.Client
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
	var dialer net.Dialer
	d := &daemon{world: w, cmd: w.command(args...), logs: &output{}, done: make(chan struct{}), api: adminapi.NewClient(w.socket())}
	d.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", w.socket())
	}}}
	d.cmd.Stdout, d.cmd.Stderr = d.logs, d.logs
	if w.stderr != nil {
		d.cmd.Stderr = w.stderr
	}
	if err := begin(d.cmd); err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = d.cmd.Wait(); close(d.done) }()
	w.t.Cleanup(d.clean)
	return d
}

func (d *daemon) clean() {
	d.signal(syscall.SIGKILL)
	<-d.done
	d.api.Close()
	noRace(d.t, d.logs.String())
	if d.t.Failed() {
		d.t.Logf("the end of the daemon's output:\n%s", d.logs.tail(40))
	}
}

func (d *daemon) signal(s os.Signal) { _ = d.cmd.Process.Signal(s) }

// stop asks the daemon to stop, and gives its exit code.
func (d *daemon) stop() int {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	return d.wait()
}

// wait waits until the process has ended, and gives its exit code.
func (d *daemon) wait() int {
	d.t.Helper()
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Fatal("the daemon does not stop")
	}
	return d.cmd.ProcessState.ExitCode()
}

func (d *daemon) ready() {
	d.t.Helper()
	d.until(func() error {
		code, body, err := d.get("/-/ready")
		if err == nil && code != http.StatusOK {
			err = errors.New(body)
		}
		return err
	})
}

// until waits until check succeeds; the daemon must not end meanwhile.
func (d *daemon) until(check func() error) {
	d.t.Helper()
	eventually(d.t, func() error {
		err := check()
		select {
		case <-d.done:
			if err != nil {
				d.t.Fatalf("the daemon ended with code %d; %v", d.cmd.ProcessState.ExitCode(), err)
			}
		default:
		}
		return err
	})
}

// get asks the daemon through its admin socket.
func (d *daemon) get(path string) (code int, body string, err error) {
	return d.ask(http.MethodGet, path)
}

func (d *daemon) ask(method, path string) (code int, body string, err error) {
	req, err := http.NewRequestWithContext(d.t.Context(), method, "http://rotatord"+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	return answer(d.http.Do(req))
}

func answer(resp *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// address is that of the TCP listener, as the daemon says it.
func (d *daemon) address() (addr string) {
	d.t.Helper()
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

// slot gives a slot's status.
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

// lines gives the lines that are JSON.
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
		if value = d.token(name); !d.sim.Accepts(relayID(relay), value) {
			return fmt.Errorf("the target of %s holds no token that is accepted", name)
		}
		return nil
	})
	return value
}

// token is what the file sink holds for a slot.
func (w *world) token(name string) string { return w.read("tokens/" + name + ".token") }
