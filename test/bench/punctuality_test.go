package bench

import (
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// BenchmarkPunctuality measures the schedule lag, from a slot's jittered due
// instant to its mint call, when a tenth of a fleet is due within one second:
// spread over it by jitter, and all at its very beginning.
func BenchmarkPunctuality(b *testing.B) {
	due := given.fleet / 10
	say("\nPunctuality: %d of %d slots due in the same second, file sink, no request budget", due, given.fleet)
	say("%-24s %10s %10s %10s", "", "p50", "p99", "longest")
	for _, jitter := range []time.Duration{time.Second, 0} {
		lag := lags(b, due, jitter)
		name := "at one instant"
		if jitter > 0 {
			name = "spread by a 1s jitter"
		}
		say("%-24s %8.1fms %8.1fms %8.1fms", name, ms(lag.median()), ms(lag.p99()), ms(lag.quantile(1)))
	}
}

func lags(b *testing.B, due int, jitter time.Duration) (lag sample) {
	b.Helper()
	m := newMetrics()
	d := newDaemon(b, m, client(b, cloudflare(b, given.fleet), m), fileSink(b, m), resolvedDir(b))
	defer d.stop()
	var mu sync.Mutex
	done := make(chan struct{})
	d.onLag = func(took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if lag = append(lag, took); len(lag) == due {
			close(done)
		}
	}
	d.configure(d.dueTogether(due, jitter))
	<-done
	return lag
}

// dueTogether are plans of which the first few are due in one second, when the
// first looks of all are over.
func (d *daemon) dueTogether(due int, jitter time.Duration) []*slot.Plan {
	at := time.Now().Add(time.Duration(given.fleet)*time.Millisecond + 3*time.Second).Truncate(time.Second)
	plans := make([]*slot.Plan, given.fleet)
	for i := range plans {
		plans[i] = d.plan(i, moq.Subscribe, moq.Overlap, once{at.Add(time.Hour)})
		if i >= due {
			continue
		}
		plans[i].Schedule, plans[i].Jitter = once{at}, jitter
		delay := jitter * time.Duration(i) / time.Duration(due)
		plans[i].Delay = func(time.Time) time.Duration { return delay }
	}
	return plans
}
