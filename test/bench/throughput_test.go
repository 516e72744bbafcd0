package bench

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// concurrency is how many calls to Cloudflare rotatord has under way at most.
const concurrency = 100

// BenchmarkThroughput rotates a fleet whose slots are all due at once, without a
// request budget, beside a loop that only calls, writes and revokes.
func BenchmarkThroughput(b *testing.B) {
	say("\nThroughput: %d slots due at once, file sink, no request budget; the simulator is another process", given.fleet)
	say("%-10s %14s %14s %12s %12s %8s %8s", "strategy", "rotatord", "bare loop", "CPU each", "bare CPU", "rate", "CPU")
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		ours, bare := rotateFleet(b, strategy), loopFleet(b, strategy)
		n := float64(given.fleet)
		say("%-10s %12.0f/s %12.0f/s %9.0fµs %9.0fµs %7.2fx %7.2fx", strategy, n/ours.wall.Seconds(), n/bare.wall.Seconds(),
			ours.cpu.Seconds()/n*1e6, bare.cpu.Seconds()/n*1e6, ratio(bare.wall, ours.wall), ratio(ours.cpu, bare.cpu))
	}
}

// spent is the time that something took.
type spent struct{ wall, cpu time.Duration }

func spend(do func()) spent {
	began, before := time.Now(), cpuOfSelf()
	do()
	return spent{time.Since(began), cpuOfSelf() - before}
}

func cpuOfSelf() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rotateFleet gives every slot a token and then times how long all of them take
// to get the next one; under overlap, until the former are revoked.
func rotateFleet(b *testing.B, strategy moq.Strategy) spent {
	b.Helper()
	m := newMetrics()
	d := newDaemon(b, m, client(b, cloudflare(b, given.fleet), m), fileSink(b, m), resolvedDir(b))
	defer d.stop()
	d.rotateAll(strategy, nil)
	return spend(func() { d.rotateAll(strategy, once{time.Now()}) })
}

// rotateAll makes all slots due at once, at first sight or by a schedule, and
// waits until all are done.
func (d *daemon) rotateAll(strategy moq.Strategy, due slot.Schedule) {
	plans := make([]*slot.Plan, given.fleet)
	for i := range plans {
		plans[i] = d.plan(i, moq.Subscribe, strategy, due)
		plans[i].Grace, plans[i].Initial = time.Millisecond, slot.InitialNow
	}
	var left atomic.Int64
	left.Store(int64(given.fleet))
	done := make(chan struct{})
	d.onRotated = func(*slot.Plan) {
		if left.Add(-1) == 0 {
			close(done)
		}
	}
	d.configure(plans)
	<-done
	d.engine.Quiesce(d.Context())
}

// loopFleet does the same with a loop of so many workers.
func loopFleet(b *testing.B, strategy moq.Strategy) spent {
	b.Helper()
	l := &loop{TB: b, client: client(b, cloudflare(b, given.fleet), nil), sink: fileSink(b, nil)["file"],
		root: resolvedDir(b), strategy: strategy, tokens: make([]string, given.fleet)}
	l.all()
	return spend(l.all)
}

// loop is the bare loop: create, write the file, revoke the former token.
type loop struct {
	testing.TB
	client   *cf.Client
	sink     sinks.Sink
	root     string
	strategy moq.Strategy
	tokens   []string
}

func (l *loop) all() {
	next := make(chan int)
	var wg sync.WaitGroup
	for range concurrency {
		wg.Go(func() {
			for i := range next {
				l.one(i)
			}
		})
	}
	for i := range l.tokens {
		next <- i
	}
	close(next)
	wg.Wait()
}

func (l *loop) one(i int) {
	now := time.Now()
	value, id := l.mint(i)
	rec := sinks.Record{Names: sinks.Names{Relay: harness.RelayID(i), Type: string(moq.Subscribe)}, Token: value, TokenID: id, RotationID: moq.NewRotationID(now, "")}
	content := harness.Must[secret.Value](l)(l.sink.Render(rec))
	harness.Check(l, l.sink.Write(l.Context(), targetOf("file", l.root, rec.Relay, rec.Type), content, sinks.WriteOptions{RotationID: rec.RotationID}))
	if l.tokens[i] != "" {
		harness.Check(l, l.client.Revoke(l.Context(), moq.Priority{Revoke: true}, harness.RelayID(i), l.tokens[i]))
	}
	l.tokens[i] = id
}

func (l *loop) mint(i int) (secret.Value, string) {
	if l.strategy == moq.InPlace {
		return harness.Must[secret.Value](l)(l.client.Rotate(l.Context(), moq.Priority{}, harness.RelayID(i), moq.Subscribe)), ""
	}
	want := moq.NewToken{Operations: moq.Subscribe.Operations(), Expires: time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second), Label: moq.Label("bench", moq.NewRotationID(time.Now(), ""))}
	t := harness.Must[moq.Token](l)(l.client.Create(l.Context(), moq.Priority{}, harness.RelayID(i), want))
	return t.Value, t.ID
}
