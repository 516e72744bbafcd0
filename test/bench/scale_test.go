package bench

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

const (
	idleFor   = 30 * time.Second
	tick      = 10 * time.Millisecond // of the kernel's CPU accounting
	readyTime = 5 * time.Minute
	onceTime  = time.Hour
	settle    = 2 * time.Minute // the first looks of 100,000 slots are spread over 50 s
)

// BenchmarkScale measures the real binary with fleets of several sizes, each slot
// with a schedule of its own: with an empty journal, and with that of a fleet
// whose every slot has been rotated.
func BenchmarkScale(b *testing.B) {
	rotatord.Path(b) // built before anything is timed
	say("\nScale: file sink, each slot its own schedule, none due; targets are looked at once a day")
	say("%9s %-8s %9s %9s %9s %9s %9s %9s %9s %9s", "slots", "journal", "ready", "resident", "peak", "idle CPU", "reload", "scrape", "bytes", "page")
	for _, n := range given.sizes {
		w := newFleet(b, n)
		w.configure("24h", "schedule")
		w.measure("empty")
		w.rotateAll()
		w.configure("24h", "schedule")
		w.measure("full")
		w.Remove()
	}
}

// fleet is an installation of the real binary in a folder of its own.
type fleet struct {
	testing.TB
	*harness.Folder
	api     string
	files   string // the folder of the sink
	state   string // keys of the state; "": its path, in the folder
	slots   int
	busy    int // slots that rotate every few seconds
	admin   *harness.Admin
	process *harness.Process
	log     *os.File
}

func newFleet(tb testing.TB, slots int) *fleet {
	tb.Helper()
	w := &fleet{TB: tb, Folder: harness.NewFolder(tb), slots: slots, api: cloudflare(tb, (slots+1)/2)}
	w.files = w.Path("tokens")
	w.open()
	return w
}

// open has what is in the folder beside the configuration.
func (w *fleet) open() {
	w.admin = harness.KeepAliveAdmin(w.Socket())
	w.log = harness.Must[*os.File](w)(os.Create(w.Path("log")))
}

// configure writes the configuration.
func (w *fleet) configure(probes, initial string) { w.configureWith(harness.Config{}, probes, initial) }

// configureWith writes the configuration with what is set of another one; after the probes' interval the sink may have
// more keys.
func (w *fleet) configureWith(c harness.Config, probes, initial string) {
	var relays strings.Builder
	for i := 0; i < w.slots; i += 2 {
		fmt.Fprintf(&relays, "\n  relay-%d:\n    id: %s\n    labels: {team: video}\n    tokens:\n      publish_subscribe: {%s}",
			i/2, harness.RelayID(i/2), w.settings(i))
		if i+1 < w.slots {
			fmt.Fprintf(&relays, "\n      subscribe: {%s}", w.settings(i+1))
		}
	}
	c.State = cmp.Or(c.State, w.state)
	c.Top, c.APIURL, c.Account = "log: {level: warn}\n", w.api, ", rate_limit: {requests: 1000000, per: 1s, share: 1}"
	c.Sinks = fmt.Sprintf("  disk: {type: file, path: \"%s/{{.Relay}}/{{.Type}}.token\", probe_interval: %s}\n", w.files, probes)
	c.Defaults, c.Relays = fmt.Sprintf("{sinks: [disk], initial: %s}", initial), relays.String()
	w.Configure(c)
}

func (w *fleet) settings(i int) string {
	if i < w.busy {
		return `schedule: "@every 3s", jitter: 2900ms, grace: 300ms`
	}
	return fmt.Sprintf("schedule: %q", schedule(i))
}

// schedule is a weekly schedule like no other's, the day after tomorrow or later.
func schedule(i int) string {
	day := (int(time.Now().UTC().Weekday()) + 2 + i/86400) % 7
	return fmt.Sprintf("%d %d %d * * %d", i%60, i/60%60, i/3600%24, day)
}

// start runs the daemon and returns the time until it told the service manager that
// it is ready.
func (w *fleet) start() time.Duration {
	socket := &net.UnixAddr{Name: w.Path("notify"), Net: "unixgram"}
	told := harness.Must[*net.UnixConn](w)(net.ListenUnixgram(socket.Net, socket))
	defer func() { _ = told.Close(); _ = os.Remove(socket.Name) }()
	cmd := exec.Command(rotatord.Path(w), "-c", w.ConfigFile(), "run")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket.Name)
	cmd.Stderr = w.log
	began := time.Now()
	harness.Check(w, told.SetReadDeadline(began.Add(readyTime)))
	w.process = rotatord.Start(w, cmd)
	for message := make([]byte, 1024); ; {
		n := harness.Must[int](w)(told.Read(message))
		if strings.Contains(string(message[:n]), "READY=1") {
			return time.Since(began)
		}
	}
}

func (w *fleet) stop() {
	w.process.Signal(syscall.SIGTERM)
	if code := w.process.Wait(w, readyTime); code != 0 {
		w.Fatalf("rotatord ended with code %d", code)
	}
	w.admin.Close()
}

// ask returns the length of an answer.
func (w *fleet) ask(method, path string) (int, error) {
	status, body, err := w.admin.Ask(w.Context(), method, path)
	if err == nil && status != http.StatusOK {
		err = errors.New(body)
	}
	return len(body), err
}

// timed asks n times and returns the median.
func (w *fleet) timed(n int, method, path string) (took time.Duration, size int) {
	var all sample
	for range n {
		began := time.Now()
		size = harness.Must[int](w)(w.ask(method, path))
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
// work before left in memory is given back. That is a condition of the processor
// time that it used, which takes time to be seen.
func (w *fleet) settled() {
	quiet := 0
	for end := time.Now().Add(settle); time.Now().Before(end) && quiet < 4; quiet++ {
		before := w.cpu()
		harness.Pause(w.Context(), 2*time.Second)
		if w.cpu()-before > 2*tick {
			quiet = -1
		}
	}
}

// idle is the share of one core that the daemon takes while nothing is due. What
// is measured is the wait itself.
func (w *fleet) idle() float64 {
	before := w.cpu()
	harness.Pause(w.Context(), idleFor)
	return (w.cpu() - before).Seconds() / idleFor.Seconds()
}

// cpu is the processor time that the daemon has used.
func (w *fleet) cpu() time.Duration {
	text := harness.Must[[]byte](w)(os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.process.Pid())))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// memory returns a figure of the daemon's status in megabytes.
func (w *fleet) memory(field string) float64 {
	text := harness.Must[[]byte](w)(os.ReadFile(fmt.Sprintf("/proc/%d/status", w.process.Pid())))
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
	w.Put("config.yaml", strings.Replace(w.Read("config.yaml"), `"`+schedule(0)+`"`, `"@weekly"`, 1))
}

// rotateAll gives every slot a token.
func (w *fleet) rotateAll() {
	w.configure("24h", "now")
	harness.Check(w, os.RemoveAll(w.Path("state")))
	began := time.Now()
	once := rotatord.Run(w, onceTime, exec.Command(rotatord.Path(w), "-c", w.ConfigFile(), "run", "--once"))
	if once.Code != 0 {
		w.Fatalf("run --once: code %d\n%s", once.Code, once.Err)
	}
	took := time.Since(began)
	say("%9d          (a first rotation of all: %.1fs, %.0f a second)", w.slots, took.Seconds(), float64(w.slots)/took.Seconds())
}
