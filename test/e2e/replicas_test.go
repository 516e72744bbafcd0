package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// replicas are rotatords that share an etcd, a Cloudflare, and a folder of files.
type replicas struct {
	t    *testing.T
	etcd *etcdtest.Cluster
	all  []*daemon
}

// startReplicas starts three, each in a folder of its own, and waits until they are ready.
func startReplicas(t *testing.T, s settings) *replicas {
	t.Helper()
	g := &replicas{t: t, etcd: etcdtest.Start(t, 3)}
	first := newWorld(t, 1)
	_ = harness.Must[*secret.Identity](t)(secret.CreateIdentity(first.Path("identity.txt")))
	s.Disk = ", shared: true"
	for n := range 3 {
		w := first
		if n > 0 {
			w = newWorld(t, 0)
			w.sim, w.api = first.sim, first.api
			w.Put("identity.txt", first.Read("identity.txt"))
		}
		w.identity, w.files = w.Path("identity.txt"), first.Path("tokens")
		w.etcd = fmt.Sprintf("endpoints: [%s], lease_ttl: 3s", strings.Join(g.etcd.Endpoints(), ", "))
		w.configure(s)
		g.all = append(g.all, w.start())
	}
	return g
}

// leader waits until one of those that run says that it leads, and no other does.
func (g *replicas) leader() (leader *daemon) {
	g.t.Helper()
	harness.Eventually(g.t, patience, "one leader", func() error {
		leader = nil
		for _, d := range g.all {
			if d.State() != nil {
				continue
			}
			s, err := d.scrape()
			if err != nil {
				return err
			}
			leads, _, _ := s.value("leader")
			if leads == 1 && leader != nil {
				return errors.New("two say that they lead")
			}
			if leads == 1 {
				leader = d
			}
		}
		if leader == nil {
			return errors.New("nobody says that he leads")
		}
		return nil
	})
	return leader
}

func TestOfSeveralReplicasOneLeadsAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	g := startReplicas(t, settings{Defaults: `{schedule: "* * * * * *", initial: now, grace: 500ms, settle: 100ms, sinks: [disk]}`})
	for _, leave := range []func(*daemon){
		func(d *daemon) {
			if code := d.stop(); code != 0 {
				t.Errorf("it ends with code %d", code)
			}
		},
		func(d *daemon) { d.Kill() },
	} {
		leader := g.leader()
		leader.served(0, "live/subscribe")
		leave(leader)
		next := g.leader()
		since := time.Now()
		next.untilSlot("live/subscribe", func(s slot.Status) bool { return s.LastRotation.After(since) })
	}
}
