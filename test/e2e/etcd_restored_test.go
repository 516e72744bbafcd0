package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/test/harness"
)

// An old snapshot of etcd comes back under a leader: with the same election, in which it still leads, or with one that
// knows nothing of it. Whoever leads then goes by what etcd holds, and revokes nothing that a consumer holds.
func TestAnEtcdThatIsRestoredIsReadAnew(t *testing.T) {
	t.Parallel()
	differs := []string{"this replica leads no more", "etcd does not hold what was last written to it", "if no snapshot of etcd was restored"}
	for name, c := range map[string]struct {
		lease         time.Duration   // that of the leader outlasts the taking of the snapshot, or is soon missed
		before, after func(*replicas) // is done before the snapshot is taken, and after
		says          []string        // by who led when it came back
		atRest        int             // tokens are left in the end, with the one that nobody knows any more; 0: nobody waits for that
	}{
		"at rest":                {lease: 30 * time.Second, before: nothing, after: nothing, says: differs},
		"in the midst of a mint": {lease: 30 * time.Second, before: (*replicas).beginMint, after: nothing, says: differs, atRest: 2},
		"of a former term": {
			lease: 3 * time.Second, before: nothing, after: func(g *replicas) { g.leader().stop() },
			says: []string{"this replica leads no more"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startReplicasOn(t, etcdtest.Start(t, 1), 2, c.lease, settings{Defaults: "{schedule: manual, initial: schedule, grace: 2s, sinks: [disk]}"})
			g.leader().rotatord("rotate", "live/subscribe").Expect(t, 0)
			stop := g.watchConsumer()
			c.before(g)
			putBack := g.snapshot()
			c.after(g)
			leader := g.leader()
			leader.rotatord("rotate", "live/subscribe").Expect(t, 0)
			known := leader.token("live/subscribe")

			putBack()
			leader.says(c.says...)
			next := g.leader()
			next.rotatord("rotate", "live/subscribe").Expect(t, 0)
			if next.token("live/subscribe") == known || !next.sim.Accepts(harness.RelayID(0), known) {
				t.Error("no new token is served, or the one that was, and that nobody knows any more, was revoked")
			}
			next.until(func() error {
				if n := next.ownTokens(); c.atRest > 0 && n != c.atRest {
					return fmt.Errorf("%d tokens are left, not %d", n, c.atRest)
				}
				return nil
			})
			stop()
		})
	}
}

func nothing(*replicas) {}

// beginMint has the leader mint, and returns before it has the answer.
func (g *replicas) beginMint() {
	g.t.Helper()
	leader := g.leader()
	leader.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.Slow, Delay: 5 * time.Second})
	leader.asks("live/subscribe")
	leader.hasMinted(2)
}

// snapshot returns what puts back what etcd holds now.
func (g *replicas) snapshot() (putBack func()) {
	g.t.Helper()
	m := g.etcd.Members[0]
	m.Kill()
	restore := m.Keep(g.t)
	m.Run(g.t)
	return func() {
		g.t.Helper()
		m.Kill()
		restore()
		m.Run(g.t)
	}
}

// watchConsumer reads what a consumer reads, over and over, until it is stopped, and demands that it is accepted for as
// long as it is what is to be read.
func (g *replicas) watchConsumer() (stop func()) {
	ctx, cancel := context.WithCancel(g.t.Context())
	var watch sync.WaitGroup
	watch.Go(func() {
		for d := g.all[0]; ctx.Err() == nil; harness.Pause(ctx, 10*time.Millisecond) {
			value := d.token("live/subscribe")
			if !d.sim.Accepts(harness.RelayID(0), value) && d.token("live/subscribe") == value {
				g.t.Error("a token that is served was revoked")
				return
			}
		}
	})
	stop = func() { cancel(); watch.Wait() }
	g.t.Cleanup(stop)
	return stop
}
