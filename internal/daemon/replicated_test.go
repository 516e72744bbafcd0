package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

// replicated is a house in which several replicas live, beside an etcd.
type replicated struct {
	*house
	etcd     *etcdtest.Cluster
	identity *secret.Identity
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	t.Parallel()
	h := &replicated{house: newHouse(t), etcd: etcdtest.Start(t, 1)}
	var err error
	if h.identity, err = secret.CreateIdentity(h.path("identity.txt")); err != nil {
		t.Fatal(err)
	}
	return h
}

// configFor writes the configuration of one of them, and returns its path.
func (h *replicated) configFor(name string, endpoints []string, replacing ...string) string {
	h.Helper()
	h.configure("", append([]string{
		"state: {path: " + h.dir + "/state}", "state: {identity_file: " + h.path("identity.txt") +
			", etcd: {lease_ttl: 3s, endpoints: [" + strings.Join(endpoints, ", ") + "]}}",
		"admin.sock", name + ".sock",
		"type: file,", "type: file, shared: true,",
	}, replacing...)...)
	path := h.path(name + ".yaml")
	if err := os.Rename(h.path("config.yaml"), path); err != nil {
		h.Fatal(err)
	}
	return path
}

// tenant is a replica that runs.
type tenant struct {
	*replicated
	name  string
	stop  context.CancelFunc
	ended chan struct{}
	err   error // set before ended is closed
}

// run starts a replica, and waits until it leads or stands by.
func (h *replicated) run(name string) *tenant {
	h.Helper()
	r := h.start(name, h.configFor(name, h.etcd.Endpoints()))
	h.eventually(name+" is ready", func() bool { return r.client().Ready(h.Context()) == nil })
	return r
}

func (h *replicated) loadFrom(path string) *config.Config {
	h.Helper()
	cfg, err := config.Load(path, all.Specs())
	if err != nil {
		h.Fatal(err)
	}
	return cfg
}

// configs is how many configurations the candidates have.
func (h *replicated) configs() int {
	all, _ := leadership.Cards(h.Context(), h.etcd.Client, "/rotatord/election")
	digests := map[string]bool{}
	for _, c := range all {
		digests[c.Config] = true
	}
	return len(digests)
}

// leaderAndStandby runs two replicas, of which the first leads and the second is a candidate.
func (h *replicated) leaderAndStandby() (first, second *tenant) {
	h.Helper()
	first = h.run("first")
	h.eventually("the first leads", first.leads)
	second = h.run("second")
	h.eventually("the second is a candidate", func() bool { return h.candidates() == 2 })
	return first, second
}

// start starts a replica, and waits until it listens.
func (h *replicated) start(name, path string) *tenant {
	h.Helper()
	cfg := h.loadFrom(path)
	ctx, stop := context.WithCancel(context.Background())
	r := &tenant{replicated: h, name: name, stop: stop, ended: make(chan struct{})}
	o := h.options()
	o.ConfigPath = path
	h.Cleanup(r.end)
	go func() {
		defer close(r.ended)
		r.err = Run(ctx, cfg, o)
	}()
	h.eventually(name+" listens", func() bool {
		_, err := os.Stat(cfg.Server.AdminSocket)
		return err == nil
	})
	return r
}

// idle returns a replica that follows, and does nothing else by itself.
func (h *replicated) idle(name string, replacing ...string) *replica {
	h.Helper()
	cfg := h.loadFrom(h.configFor(name, h.etcd.Endpoints(), replacing...))
	d := newDaemon(cfg, h.options())
	h.Cleanup(func() {
		if err := d.teardown.run(usualStop); err != nil {
			h.Errorf("%s does not stop: %v", name, err)
		}
	})
	r, err := d.newReplica(h.Context(), cfg, name, func() {})
	if err == nil {
		err = r.connect(h.Context())
	}
	if err != nil {
		h.Fatal(err)
	}
	h.follow(r)
	return r
}

// follow has an idle replica follow, and waits until it knows what etcd holds.
func (h *replicated) follow(r *replica) {
	h.Helper()
	r.follow()
	h.eventually(r.name+" knows what etcd holds", func() bool { return r.copy.Load().Err() == nil })
}

// shared is what an idle replica has as the one folder that all share.
func (h *replicated) shared(r *replica) folder {
	h.Helper()
	all := r.foldersOf(r.fleet.Load())
	if len(all) != 1 {
		h.Fatalf("%d folders are shared", len(all))
	}
	return all[0]
}

// end stops the replica, and waits until it has.
func (r *tenant) end() {
	r.Helper()
	r.stop()
	<-r.ended
	if r.err != nil {
		r.Errorf("%s: %v", r.name, r.err)
	}
}

func (r *tenant) client() *adminapi.Client { return adminapi.NewClient(r.path(r.name + ".sock")) }

// leads reports whether the metrics say so.
func (r *tenant) leads() bool { return r.metric("rotatord_leader") == "1" }

// metric returns the value of one series; "" where there is none.
func (r *tenant) metric(series string) string {
	r.Helper()
	_, rest, _ := strings.Cut(r.get("/metrics"), "\n"+series+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// get returns what is at a path; "" where nobody answers.
func (r *tenant) get(path string) string {
	r.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.path(r.name+".sock"))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	resp, err := client.Get("http://admin" + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// rotate asks a leader for a rotation, and waits until its value is delivered.
func (r *tenant) rotate() {
	r.Helper()
	before, _ := os.ReadFile(r.path("live-subscribe.token"))
	if _, err := r.client().Rotate(r.Context(), "live", "subscribe", false); err != nil {
		r.Fatalf("%s: %v", r.name, err)
	}
	r.eventually(r.name+" has delivered", func() bool {
		after, err := os.ReadFile(r.path("live-subscribe.token"))
		return err == nil && string(after) != string(before)
	})
}

// leadersLease is the lease of who leads.
func (h *replicated) leadersLease() clientv3.LeaseID {
	h.Helper()
	return h.leaseOf(clientv3.WithFirstCreate())
}

// nextsLease is the lease of who became a candidate last.
func (h *replicated) nextsLease() clientv3.LeaseID {
	h.Helper()
	return h.leaseOf(clientv3.WithLastCreate())
}

func (h *replicated) leaseOf(which []clientv3.OpOption) clientv3.LeaseID {
	h.Helper()
	found, err := h.etcd.Client.Get(h.Context(), "/rotatord/election/", which...)
	if err != nil || len(found.Kvs) != 1 {
		h.Fatalf("there is no candidate: %v, %v", found, err)
	}
	return clientv3.LeaseID(found.Kvs[0].Lease)
}

// candidates is how many replicas lead or stand by.
func (h *replicated) candidates() int {
	all, _ := leadership.Cards(h.Context(), h.etcd.Client, "/rotatord/election")
	return len(all)
}

func (h *replicated) eventually(what string, holds func() bool) {
	h.Helper()
	for end := time.Now().Add(time.Minute); !holds(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("not in a minute: %s; the log:\n%s", what, h.logged())
		}
	}
}
