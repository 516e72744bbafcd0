package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	idleFor   = 30 * time.Second
	tick      = 10 * time.Millisecond // of the kernel's CPU accounting
	readyTime = 5 * time.Minute
	settle    = 2 * time.Minute // the first looks of 100,000 slots are spread over 50 s
)

// BenchmarkScale measures the real binary with fleets of several sizes, each slot
// with a schedule of its own: with an empty journal, and with that of a fleet
// whose every slot has been rotated.
func BenchmarkScale(b *testing.B) {
	rotatord(b) // built before anything is timed
	say("\nScale: file sink, each slot its own schedule, none due; targets are looked at once a day")
	say("%9s %-8s %9s %9s %9s %9s %9s %9s %9s %9s", "slots", "journal", "ready", "resident", "peak", "idle CPU", "reload", "scrape", "bytes", "page")
	for _, n := range given.sizes {
		w := newFleet(b, n)
		w.configure("24h", "schedule")
		w.measure("empty")
		w.rotateAll()
		w.configure("24h", "schedule")
		w.measure("full")
		w.close()
	}
}

// fleet is an installation of the real binary in a folder of its own.
type fleet struct {
	testing.TB
	dir, api string
	slots    int
	http     *http.Client
	process  *exec.Cmd
	log      *os.File
}

func newFleet(tb testing.TB, slots int) *fleet {
	tb.Helper()
	dir := must[string](tb)(os.MkdirTemp("", "bench-"))
	w := &fleet{TB: tb, dir: dir, slots: slots}
	w.api = cloudflare(tb, (slots+1)/2)
	var d net.Dialer
	w.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", w.path("admin.sock"))
	}}}
	check(tb, os.WriteFile(w.path("api-token"), []byte(apiToken), 0o600))
	w.log = must[*os.File](tb)(os.Create(w.path("log")))
	tb.Cleanup(w.close)
	return w
}

func (w *fleet) close() {
	if w.process != nil {
		_ = w.process.Process.Kill()
		_ = w.process.Wait()
		w.process = nil
	}
	_ = os.RemoveAll(w.dir)
}

func (w *fleet) path(name string) string { return filepath.Join(w.dir, name) }

// configure writes the configuration.
func (w *fleet) configure(probes, initial string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "state: {path: %s}\n", w.path("state"))
	fmt.Fprintf(&b, "server: {listen: \"127.0.0.1:0\", admin_socket: %s}\nlog: {level: warn}\n", w.path("admin.sock"))
	fmt.Fprintf(&b, "accounts:\n  main: {account_id: %s, api_token: {file: %s}, api_url: \"%s\", rate_limit: {requests: 1000000, per: 1s, share: 1}}\n",
		accountID, w.path("api-token"), w.api)
	fmt.Fprintf(&b, "sinks:\n  disk: {type: file, path: \"%s/{{.Relay}}/{{.Type}}.token\", probe_interval: %s}\n", w.path("tokens"), probes)
	fmt.Fprintf(&b, "defaults: {sinks: [disk], initial: %s}\nrelays:\n", initial)
	for i := 0; i < w.slots; i += 2 {
		fmt.Fprintf(&b, "  relay-%d:\n    id: %s\n    labels: {team: video}\n    tokens:\n      publish_subscribe: {schedule: \"%s\"}\n", i/2, relayID(i/2), schedule(i))
		if i+1 < w.slots {
			fmt.Fprintf(&b, "      subscribe: {schedule: \"%s\"}\n", schedule(i+1))
		}
	}
	check(w, os.WriteFile(w.path("config.yaml"), b.Bytes(), 0o600))
}

// schedule is a weekly schedule like no other's, the day after tomorrow or later.
func schedule(i int) string {
	day := (int(time.Now().UTC().Weekday()) + 2 + i/86400) % 7
	return fmt.Sprintf("%d %d %d * * %d", i%60, i/60%60, i/3600%24, day)
}

// start runs the daemon and gives the time until it told the service manager that
// it is ready.
func (w *fleet) start() time.Duration {
	socket := &net.UnixAddr{Name: w.path("notify"), Net: "unixgram"}
	told := must[*net.UnixConn](w)(net.ListenUnixgram(socket.Net, socket))
	defer func() { _ = told.Close(); _ = os.Remove(socket.Name) }()
	began := time.Now()
	check(w, told.SetReadDeadline(began.Add(readyTime)))
	w.process = exec.Command(rotatord(w), "-c", w.path("config.yaml"), "run")
	w.process.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket.Name)
	w.process.Stderr = w.log
	w.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(w, w.process.Start())
	for message := make([]byte, 1024); ; {
		n := must[int](w)(told.Read(message))
		if strings.Contains(string(message[:n]), "READY=1") {
			return time.Since(began)
		}
	}
}

func (w *fleet) stop() {
	check(w, w.process.Process.Signal(syscall.SIGTERM))
	check(w, w.process.Wait())
	w.process = nil
	w.http.CloseIdleConnections()
}

// ask gives the length of an answer.
func (w *fleet) ask(method, path string) (int, error) {
	req, err := http.NewRequestWithContext(w.Context(), method, "http://rotatord"+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	res, err := w.http.Do(req)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(string(body))
	}
	return len(body), errors.Join(err, res.Body.Close())
}

// timed asks n times and gives the median.
func (w *fleet) timed(n int, method, path string) (took time.Duration, size int) {
	var all sample
	for range n {
		began := time.Now()
		size = must[int](w)(w.ask(method, path))
		all = append(all, time.Since(began))
	}
	return all.median(), size
}

// measure starts the daemon, takes all figures and stops it.
func (w *fleet) measure(journal string) {
	ready := w.start()
	peak := w.memory("VmHWM")
	w.settled()
	resident, idle := w.memory("VmRSS"), w.idle()
	w.changeOne()
	reload, _ := w.timed(1, http.MethodPost, "/-/reload")
	w.settled()
	scrape, size := w.timed(5, http.MethodGet, "/metrics")
	page, _ := w.timed(5, http.MethodGet, "/")
	say("%9d %-8s %8.3fs %7.1fMB %7.1fMB %8.3f%% %8.3fs %8.1fms %7.1fMB %7.1fms", w.slots, journal, ready.Seconds(), resident, peak,
		100*idle, reload.Seconds(), scrape.Seconds()*1e3, float64(size)/1e6, page.Seconds()*1e3)
	w.stop()
}

// settled waits until the daemon has had nothing to do for a while, and what the
// work before left in memory is given back.
func (w *fleet) settled() {
	quiet := 0
	for end := time.Now().Add(settle); time.Now().Before(end) && quiet < 4; quiet++ {
		before := w.cpu()
		time.Sleep(2 * time.Second)
		if w.cpu()-before > 2*tick {
			quiet = -1
		}
	}
}

// idle is the share of one core that the daemon takes while nothing is due.
func (w *fleet) idle() float64 {
	before := w.cpu()
	time.Sleep(idleFor)
	return (w.cpu() - before).Seconds() / idleFor.Seconds()
}

// cpu is the processor time that the daemon has used.
func (w *fleet) cpu() time.Duration {
	text := must[[]byte](w)(os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.process.Process.Pid)))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// memory gives a figure of the daemon's status in megabytes.
func (w *fleet) memory(field string) float64 {
	text := must[[]byte](w)(os.ReadFile(fmt.Sprintf("/proc/%d/status", w.process.Process.Pid)))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kilobytes, _ := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kilobytes) / 1024
		}
	}
	w.Fatalf("no %s", field)
	return 0
}

// changeOne gives one slot another schedule.
func (w *fleet) changeOne() {
	text := must[[]byte](w)(os.ReadFile(w.path("config.yaml")))
	text = bytes.Replace(text, []byte(`"`+schedule(0)+`"`), []byte(`"@weekly"`), 1)
	check(w, os.WriteFile(w.path("config.yaml"), text, 0o600))
}

// rotateAll gives every slot a token.
func (w *fleet) rotateAll() {
	w.configure("24h", "now")
	check(w, os.RemoveAll(w.path("state")))
	began := time.Now()
	cmd := exec.Command(rotatord(w), "-c", w.path("config.yaml"), "run", "--once")
	cmd.Stderr = w.log
	if err := cmd.Run(); err != nil {
		w.Fatalf("run --once: %v", err)
	}
	took := time.Since(began)
	say("%9d          (a first rotation of all: %.1fs, %.0f a second)", w.slots, took.Seconds(), float64(w.slots)/took.Seconds())
}
