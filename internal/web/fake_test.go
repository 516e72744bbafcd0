package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fakeDaemon has slots and remembers what it was asked.
type fakeDaemon struct {
	slots  []slot.Status
	events []slot.Event
	err    error // of every call that can fail
	ready  error
	notes  []string
	panics any // what Forecast panics with

	mu    sync.Mutex
	asked []string
}

func (d *fakeDaemon) note(parts ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, strings.Join(parts, " "))
}

func (d *fakeDaemon) lastAsked() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.asked) == 0 {
		return ""
	}
	return d.asked[len(d.asked)-1]
}

func (d *fakeDaemon) Notes() []string { return d.notes }

func (d *fakeDaemon) Statuses(yield func(*slot.Status) bool) {
	var shared slot.Status // valid during the yield only
	for _, s := range d.slots {
		shared = s
		if !yield(&shared) {
			return
		}
		shared = slot.Status{Slot: "used after its yield"}
	}
}

func (d *fakeDaemon) StatusOf(relay, typ string) (slot.Status, bool) {
	for _, s := range d.slots {
		if s.Relay == relay && string(s.Type) == typ {
			return s, true
		}
	}
	return slot.Status{}, false
}

func (d *fakeDaemon) Rotate(_ context.Context, relay, typ, by string, compromised bool) (slot.Status, error) {
	d.note("rotate", relay, typ, "by", by, map[bool]string{true: "compromised"}[compromised])
	s, _ := d.StatusOf(relay, typ)
	return s, d.err
}

func (d *fakeDaemon) History(_ context.Context, relay, typ string, limit int) ([]slot.Event, error) {
	d.note("history", relay, typ)
	return d.events[:min(limit, len(d.events))], d.err
}

func (d *fakeDaemon) Tokens(_ context.Context, relay string) ([]adminapi.Token, error) {
	d.note("tokens", relay)
	return []adminapi.Token{{TokenID: "t1", Owner: adminapi.Ours}}, d.err
}

func (d *fakeDaemon) Prune(_ context.Context, relay string, _ []string, dryRun bool) ([]adminapi.Token, error) {
	d.note("prune", relay, map[bool]string{true: "dry"}[dryRun])
	return nil, d.err
}

func (d *fakeDaemon) Forecast(within time.Duration) []adminapi.Run {
	if d.panics != nil {
		panic(d.panics)
	}
	d.note("plan", within.String())
	return []adminapi.Run{{At: now, Slot: "live/subscribe", Strategy: moq.Overlap}}
}

func (d *fakeDaemon) Reload(ctx context.Context) (adminapi.ReloadResult, error) {
	if d.note("reload"); ctx.Err() != nil {
		d.note("reload, and given up")
	}
	return adminapi.ReloadResult{Warnings: []string{"sink vault: no ca_file"}}, d.err
}
func (d *fakeDaemon) Ready() error { return d.ready }

func slotStatus(relay string, state slot.State) slot.Status {
	return slot.Status{
		Slot: relay + "/subscribe", Relay: relay, Type: moq.Subscribe, Operations: []string{"subscribe", "publish:stats"}, Account: "main", Strategy: moq.Overlap, State: state,
		Labels: map[string]string{"team": "video"}, NextRotation: now.Add(time.Hour), TokenCreated: now.Add(-time.Hour),
		Sinks: []slot.TargetStatus{{Sink: "disk", Target: "/t/" + relay, State: "ok", Required: true}},
	}
}

func newDaemon() *fakeDaemon {
	return &fakeDaemon{slots: []slot.Status{slotStatus("live", slot.StateIdle), slotStatus("edge", slot.StateGrace)}}
}

// logged collects the log's lines.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *zap.Logger {
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(enc, zapcore.AddSync(l), zap.DebugLevel))
}

func options(d Daemon) Options {
	return Options{
		Daemon: d, Log: zap.NewNop(), Version: "1.2.3", Instance: "test", Now: func() time.Time { return now },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics\n") }),
	}
}

// start listens and serves until the test ends.
func start(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-served); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
}

// admin starts a server with an admin socket alone.
func admin(t *testing.T, d Daemon) (*Server, string) {
	t.Helper()
	o := options(d)
	o.AdminSocket = filepath.Join(t.TempDir(), "run", "admin.sock")
	s := New(o)
	start(t, s)
	return s, o.AdminSocket
}

func overSocket(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
}

// ask sends a request to a handler and returns the answer.
func ask(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:9476"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
