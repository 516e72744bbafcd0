package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// replicas are rotatords that share an etcd, a Cloudflare, and a folder of files.
type replicas struct {
	t    *testing.T
	etcd *etcdtest.Cluster
	all  []*daemon
}

// startReplicas starts three on an etcd of three members.
func startReplicas(t *testing.T, s settings) *replicas {
	t.Helper()
	return startReplicasOn(t, etcdtest.Start(t, 3), 3, 3*time.Second, s)
}

// startReplicasOn starts so many, each in a folder of its own and with a certificate of its own, and waits until they are
// ready. The first is the first to lead.
func startReplicasOn(t *testing.T, etcd *etcdtest.Cluster, count int, lease time.Duration, s settings) *replicas {
	t.Helper()
	g := &replicas{t: t, etcd: etcd}
	first, ca := newWorld(t, 1), vaulttest.NewCA(t)
	first.shareEtcd(etcd)
	first.etcd = keysOf(etcd, lease)
	s.Disk = ", shared: true"
	for n := range count {
		w := first
		if n > 0 {
			w = first.replica()
		}
		cert, key := ca.ClientCert(t, "127.0.0.1") // for servers, too
		w.Put("web.yml", fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\n", cert, key))
		s.Listen = harness.FreeAddress(t)
		s.Server = fmt.Sprintf(", web_config_file: %s, advertise: \"https://%s\"", w.Path("web.yml"), s.Listen)
		w.configure(s)
		g.all = append(g.all, w.start())
	}
	return g
}

// shareEtcd has the world's rotatord be the first of several replicas. Their sink disk must be shared, too.
func (w *world) shareEtcd(etcd *etcdtest.Cluster) {
	w.t.Helper()
	w.identity, w.files = w.Path("identity.txt"), w.Path("tokens")
	_ = harness.Must[*secret.Identity](w.t)(secret.CreateIdentity(w.identity))
	w.etcd = keysOf(etcd, 3*time.Second)
}

// replica returns the world of another one, which has a folder of its own, and shares all else.
func (w *world) replica() *world {
	w.t.Helper()
	other := newWorld(w.t, 0)
	other.sim, other.api, other.binary, other.files, other.etcd = w.sim, w.api, w.binary, w.files, w.etcd
	other.identity = other.Path("identity.txt")
	other.Put("identity.txt", w.Read("identity.txt"))
	return other
}

// keysOf are the keys of state.etcd.
func keysOf(etcd *etcdtest.Cluster, lease time.Duration) string {
	return fmt.Sprintf("endpoints: [%s], lease_ttl: %s", strings.Join(etcd.Endpoints(), ", "), lease)
}

// startLeader starts one replica, and waits until it leads.
func (w *world) startLeader() *daemon {
	w.t.Helper()
	d := w.start()
	return (&replicas{t: w.t, all: []*daemon{d}}).leader()
}

// leader waits until one of those that run says that it leads, and no other does.
func (g *replicas) leader() (leader *daemon) {
	g.t.Helper()
	harness.Eventually(g.t, patience, "one leader", func() error {
		leader = nil
		for _, d := range g.running() {
			_, metrics, err := d.get("/metrics")
			switch {
			case err != nil:
				return err
			case !strings.Contains(metrics, "\nrotatord_leader 1\n"):
			case leader != nil:
				return errors.New("two say that they lead")
			default:
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

// standby is one that runs and does not lead.
func (g *replicas) standby(leader *daemon) *daemon {
	g.t.Helper()
	for _, d := range g.running() {
		if d != leader {
			return d
		}
	}
	g.t.Fatal("nobody stands by")
	return nil
}

// running are those that run.
func (g *replicas) running() []*daemon {
	return slices.DeleteFunc(slices.Clone(g.all), func(d *daemon) bool { return d.State() != nil })
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

func TestAnyReplicaCanBeAsked(t *testing.T) {
	t.Parallel()
	g := startReplicas(t, settings{})
	leader := g.leader()
	for n, d := range g.running() {
		before := leader.slot("live/subscribe").LastRotation
		d.rotatord("rotate", "live").Expect(t, 0, "live/subscribe")
		leader.untilSlot("live/subscribe", func(s slot.Status) bool { return s.LastRotation.After(before) })
		if made := g.all[0].sim.Counts()[cfsim.Create]; made != n+1 {
			t.Errorf("%d tokens were made after %d were asked for", made, n+1)
		}
		d.rotatord("status").Expect(t, 0, "live/subscribe")
		d.rotatord("history", "live").Expect(t, 0, "live/subscribe")
		d.rotatord("tokens", "live").Expect(t, 0)
	}
}
