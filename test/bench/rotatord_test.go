package bench

import (
	"context"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	app "github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// daemon is rotatord's working parts put together in this process, as its
// command does: the real journal, sealing, metrics, log and schedule.
type daemon struct {
	testing.TB
	*metrics.Metrics
	engine  *rotation.Engine
	journal *journal.Bolt
	client  rotation.Cloudflare
	sinks   map[string]sinks.Sink
	root    string // of the files
	stop    context.CancelFunc
	syncs   int // commits of the journal
	counted sync.Mutex

	onRotated  func(p *slot.Plan)
	onBlackout func(d time.Duration)
	onLag      func(d time.Duration)
}

func newMetrics() *metrics.Metrics { return metrics.New(metrics.Options{PerSlot: true}) }

// newDaemon puts rotatord together; nothing is configured yet. root is the
// folder of the file sink.
func newDaemon(tb testing.TB, m *metrics.Metrics, c rotation.Cloudflare, open map[string]sinks.Sink, root string) *daemon {
	tb.Helper()
	return newDaemonAt(tb, app.NewSystemClock(), os.Stderr, m, c, open, root)
}

func newDaemonAt(tb testing.TB, clock rotation.Clock, trouble io.Writer, m *metrics.Metrics, c rotation.Cloudflare, open map[string]sinks.Sink, root string) *daemon {
	tb.Helper()
	d := &daemon{TB: tb, Metrics: m, client: c, sinks: open, root: root}
	d.journal = harness.Must[*journal.Bolt](tb)(journal.Open(tb.TempDir(), journal.Options{Observe: d.committed}))
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	log := zap.New(zapcore.NewTee(zapcore.NewCore(encoder, zapcore.AddSync(io.Discard), zap.InfoLevel),
		zapcore.NewCore(encoder, zapcore.AddSync(trouble), zap.WarnLevel))) // it spoils a figure: it must be seen
	queue := scheduler.NewQueue[*moq.Key](time.Now)
	d.engine = rotation.New(rotation.Options{
		Instance: "bench", Journal: d.journal, Sealer: harness.Must[*secret.Identity](tb)(secret.GenerateIdentity()), Alarm: queue,
		Clock: clock, Observer: d, Log: log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	d.stop = sync.OnceFunc(func() {
		cancel()
		<-ran
		d.engine.Stop(context.Background())
		harness.Check(tb, d.journal.Close())
	})
	tb.Cleanup(d.stop)
	go func() { queue.Run(ctx, d.engine.Wake); close(ran) }()
	return d
}

func (d *daemon) committed(took time.Duration, err error) {
	d.JournalWrite(took, err)
	d.counted.Lock()
	defer d.counted.Unlock()
	d.syncs++
}

// commits counts the journal's synced writes so far.
func (d *daemon) commits() int {
	d.counted.Lock()
	defer d.counted.Unlock()
	return d.syncs
}

func (d *daemon) configure(plans []*slot.Plan) {
	names := make([]string, 0, len(d.sinks))
	for name := range d.sinks {
		names = append(names, name)
	}
	d.engine.Configure(plans, d, d, names)
}

// Account implements rotation.Accounts.
func (d *daemon) Account(string) (rotation.Cloudflare, bool) { return d.client, true }

// Sink implements rotation.Sinks.
func (d *daemon) Sink(name string) (sinks.Sink, bool) { s, ok := d.sinks[name]; return s, ok }

// RotationCounted implements rotation.Observer.
func (d *daemon) RotationCounted(p *slot.Plan, s moq.Strategy, r slot.Result, took time.Duration) {
	d.Metrics.RotationCounted(p, s, r, took)
	if d.onRotated != nil && r == slot.ResultSuccess {
		d.onRotated(p)
	}
}

// BlackoutEnded implements rotation.Observer.
func (d *daemon) BlackoutEnded(took time.Duration) {
	d.Metrics.BlackoutEnded(took)
	if d.onBlackout != nil {
		d.onBlackout(took)
	}
}

// LagMeasured implements rotation.Observer.
func (d *daemon) LagMeasured(lag time.Duration) {
	d.Metrics.LagMeasured(lag)
	if d.onLag != nil {
		d.onLag(lag)
	}
}

// plan is a slot of the nth relay that delivers to the sinks.
func (d *daemon) plan(n int, typ moq.TokenType, strategy moq.Strategy, schedule slot.Schedule) *slot.Plan {
	p := &slot.Plan{
		Key:   moq.Key{AccountID: harness.AccountID, RelayID: harness.RelayID(n), Type: typ},
		Relay: "relay-" + harness.RelayID(n)[24:], Schedule: schedule, Operations: typ.Operations(),
		Policy: &slot.Policy{
			Account: "main", Strategy: strategy, Initial: slot.InitialSchedule, CatchUp: true, Lifetime: 30 * 24 * time.Hour, Verify: true,
		},
	}
	for name := range d.sinks {
		target := targetOf(name, d.root, p.Relay, string(typ))
		p.Targets = append(p.Targets, slot.Target{Sink: name, Target: target, Location: name + "://" + target, Required: true, Adopt: true})
	}
	return p
}

// once is a schedule of a single instant.
type once struct{ at time.Time }

// Next implements slot.Schedule.
func (o once) Next(t time.Time) time.Time {
	if t.Before(o.at) {
		return o.at
	}
	return time.Time{}
}

// Latest implements slot.Schedule.
func (o once) Latest(after, now time.Time) time.Time {
	if at := o.Next(after); !at.IsZero() && !at.After(now) {
		return at
	}
	return time.Time{}
}
