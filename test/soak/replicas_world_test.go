package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/test/harness"
)

// leaseTTL is that of the replicas: a lost leader is waited for.
const leaseTTL = 4 * time.Second

// The servers, as the network names them. What was said to etcd while it was out of reach may arrive late: that
// nothing comes of it is for the journal to see to. A late write into a sink is what nobody can promise away.
const (
	etcdServer       = "etcd"
	cloudflareServer = "Cloudflare"
	vaultServer      = "Vault"
	awsServer        = "AWS"
)

// replicas is a world in which several rotatords share an etcd, whose state is there.
type replicas struct {
	*world
	etcd      *etcdtest.Cluster
	network   *harness.Network
	all       []*replica
	chronicle *chronicle
	random    *rand.Rand
	stateKeys func(*replica) string // of its configuration
}

// replica is one of them, on a machine of its own as far as network, clock and folder go.
type replica struct {
	*harness.Folder
	name  string
	pages string // the address of its listener, whose port is in the name that it tells
	host  *harness.Host
	clock *harness.Clock
	ahead time.Duration // of its wall clock
	setup
	*daemon // nil while none runs
}

// newReplicas makes so many replicas, of which none runs yet.
func newReplicas(t *testing.T, slots []slotSpec, count int) *replicas {
	t.Helper()
	g := &replicas{world: newWorld(t, slots), etcd: etcdtest.Start(t, 3), network: harness.NewNetwork(t), random: rand.New(rand.NewPCG(*seed, 3))}
	g.shared = true
	g.vault = vaulttest.Start(t)
	g.Put("vault-token", g.vault.RootToken)
	g.api = "http://" + g.network.Front(cloudflareServer, hostOf(g.api), false) + cfsim.BasePath
	g.awsAt = "http://" + g.network.Front(awsServer, hostOf(g.aws.URL), false)
	g.vaultAt = "http://" + g.network.Front(vaultServer, hostOf(g.vault.Address), false)
	var endpoints []string
	for _, member := range g.etcd.Endpoints() {
		endpoints = append(endpoints, "http://"+g.network.Front(etcdServer, hostOf(member), true))
	}
	_ = harness.Must[*secret.Identity](t)(secret.CreateIdentity(g.Path("identity.txt")))
	for n := range count {
		r := &replica{
			Folder: g.Within(fmt.Sprint("r", n)), name: fmt.Sprint("r", n), pages: harness.FreeAddress(t),
			host: g.network.NewHost(), clock: harness.NewClock(t),
		}
		r.Put("identity.txt", g.Read("identity.txt"))
		r.setup = setup{config: r.ConfigFile(), socket: r.Socket(), log: r.Path("log"), env: append(harness.AWSEnv(), r.clock.Env())}
		g.all = append(g.all, r)
	}
	g.chronicle = newChronicle(g.world, g.etcd.Client)
	g.called = g.chronicle.hears
	g.stateKeys = func(r *replica) string {
		return fmt.Sprintf("identity_file: %s, etcd: {endpoints: [%s], lease_ttl: %s}", r.Path("identity.txt"), strings.Join(endpoints, ", "), leaseTTL)
	}
	g.configure()
	return g
}

// hostOf is the host and port of an address.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// configure writes the configuration of each replica. They differ in what is the machine's own.
func (g *replicas) configure() {
	g.Helper()
	for _, r := range g.all {
		c := g.configuration()
		c.State = g.stateKeys(r)
		c.NoTCP, c.Listen = false, r.pages
		r.Configure(c)
	}
}

// card is what a replica tells beside its key in the election.
type card struct{ Replica string }

// elected returns who is elected, as etcd has it.
func (g *replicas) elected() (*replica, error) {
	ctx, cancel := context.WithTimeout(g.Context(), 5*time.Second)
	defer cancel()
	answer, err := g.etcd.Client.Get(ctx, prefix+"election/", clientv3.WithFirstCreate()...)
	if err != nil {
		return nil, err
	}
	if len(answer.Kvs) == 0 {
		return nil, errors.New("nobody campaigns")
	}
	return g.of(answer.Kvs[0].Value)
}

// of returns whose card it is.
func (g *replicas) of(text []byte) (*replica, error) {
	var c card
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	for _, r := range g.all {
		if c.Replica[strings.LastIndex(c.Replica, ":")+1:] == r.pages[strings.LastIndex(r.pages, ":")+1:] {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%q is nobody's card", text)
}

// leads waits until somebody leads, and returns who.
func (g *replicas) leads() (leader *replica) {
	g.Helper()
	harness.Eventually(g, time.Minute, "a leader", func() (err error) {
		if leader, err = g.elected(); err != nil {
			return err
		}
		if leader.daemon == nil {
			return fmt.Errorf("%s, which does not run, is elected", leader.name)
		}
		return leader.saysThatItLeads(g)
	})
	g.asked(leader)
	return leader
}

// asked has the leader be who is asked for statuses.
func (g *replicas) asked(leader *replica) {
	g.config, g.socket = leader.config, leader.socket
	g.latest = leader.daemon
}

func (r *replica) saysThatItLeads(g *replicas) error { return r.says(g, "rotatord_leader 1") }

// says reports whether a line is in a replica's metrics.
func (r *replica) says(g *replicas, line string) error {
	_, text, err := r.Ask(g.Context(), "GET", "/metrics")
	if err == nil && !strings.Contains(text, "\n"+line+"\n") {
		err = fmt.Errorf("%s does not say %s", r.name, line)
	}
	return err
}

// standsBy waits until a replica says that it does not lead.
func (g *replicas) standsBy(r *replica) {
	g.Helper()
	harness.Eventually(g, time.Minute, r.name+" standing by", func() error {
		g.lives(r)
		return r.says(g, "rotatord_leader 0")
	})
}
