package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/test/harness"
)

const (
	takeovers = 3   // of each kind
	busySlots = 200 // so that there is something to do at any time
)

// BenchmarkTakeover measures how long nobody works on the largest fleet, of two replicas: from when the one that leads is
// killed, or resigns since it was told to stop, until the other one changes something at Cloudflare.
func BenchmarkTakeover(b *testing.B) {
	rotatord.Path(b) // built before anything is timed
	say("\nTakeover: two replicas, etcd of three members, the default lease of 10s, %d slots rotate every 3s", busySlots)
	say("%9s %-8s %9s %9s", "slots", "leader", "median", "longest")
	measureTakeovers(b, slices.Max(given.sizes))
}

func measureTakeovers(b *testing.B, slots int) {
	p := newPair(b, slots)
	defer p.Remove()
	for _, end := range []struct {
		leader string
		ends   func(*pair) time.Time
	}{{"stopped", (*pair).resign}, {"killed", (*pair).kill}} {
		var all sample
		for range takeovers {
			all = append(all, p.takeOver(end.ends))
		}
		say("%9d %-8s %8.3fs %8.3fs", slots, end.leader, all.median().Seconds(), all.quantile(1).Seconds())
	}
	say("%9d resident: who leads %.0fMB, who stands by %.0fMB", slots, p.replicas[0].memory("VmRSS"), p.replicas[1].memory("VmRSS"))
	for _, r := range p.replicas {
		r.stop()
	}
}

// pair is two replicas, the one that leads first, and what they share.
type pair struct {
	*fleet
	etcd     *etcdtest.Cluster
	calls    changes
	replicas [2]*fleet
	began    time.Time // when the latest leader was first seen to work
}

// newPair has every slot of a fleet rotated on one machine, moves the journal to etcd, and starts two replicas.
func newPair(b *testing.B, slots int) *pair {
	p := &pair{fleet: newFleet(b, slots), etcd: etcdtest.Start(b, 3, etcdtest.Quota(8<<30))}
	p.busy = min(busySlots, slots)
	identity := p.Path("identity.txt")
	_ = harness.Must[*secret.Identity](b)(secret.CreateIdentity(identity))
	p.state = fmt.Sprintf("path: %s, identity_file: %s", p.Path("state"), identity)
	p.rotateAll()
	p.state += fmt.Sprintf(", etcd: {endpoints: [%s]}", strings.Join(p.etcd.Endpoints(), ", "))
	p.api = p.calls.inFrontOf(b, p.api)
	p.configure("24h, shared: true", "schedule")
	if o := rotatord.Run(p, onceTime, exec.Command(rotatord.Path(p), "-c", p.ConfigFile(), "state", "copy", "embedded", "etcd")); o.Code != 0 {
		b.Fatalf("state copy: code %d\n%s%s", o.Code, o.Out, o.Err)
	}
	for i := range p.replicas {
		p.replicas[i] = p.replica(fmt.Sprint("r", i))
		p.replicas[i].start()
	}
	return p
}

// replica is one of the fleet's, in a folder of its own.
func (p *pair) replica(name string) *fleet {
	r := *p.fleet
	r.Folder = p.Within(name)
	r.open()
	r.configure("24h, shared: true", "schedule")
	return &r
}

// takeOver ends the replica that leads, once it does all that a leader does and the other one heard what time it is, and
// returns for how long nothing was changed from then on.
func (p *pair) takeOver(end func(*pair) time.Time) time.Duration {
	p.Helper()
	former := p.replicas[0]
	p.calls.nth(p, 3*p.busy, p.began, http.MethodDelete) // nothing is revoked in a term's first minute: slots wait for room
	p.hearsTheTime()
	ended := end(p)
	p.began = p.calls.nth(p, 1, ended, http.MethodPost)
	former.admin.Close()
	former.start()
	p.replicas[0], p.replicas[1] = p.replicas[1], former
	return p.began.Sub(ended)
}

// hearsTheTime waits until the leader told what time it is. Who stands by since less than ten seconds has not heard that,
// and once it leads asks Cloudflare for the time first.
func (p *pair) hearsTheTime() {
	p.Helper()
	told := p.etcd.Client.Watch(p.Context(), "/rotatord/meta/probe")
	select {
	case <-told:
	case <-time.After(readyTime):
		p.Fatal("the leader does not tell what time it is")
	}
}

// kill ends the replica that leads as a power failure would.
func (p *pair) kill() time.Time {
	p.replicas[0].process.Kill()
	return time.Now() // a call that was on its way is not the other one's
}

// resign tells the replica that leads to stop, and returns when it was a candidate no more.
func (p *pair) resign() time.Time {
	p.Helper()
	deleted := p.etcd.Client.Watch(p.Context(), "/rotatord/election/", clientv3.WithPrefix(), clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	<-deleted // it is watched
	p.replicas[0].process.Signal(syscall.SIGTERM)
	<-deleted
	at := time.Now()
	if code := p.replicas[0].process.Wait(p, readyTime); code != 0 {
		p.Fatalf("rotatord ended with code %d", code)
	}
	return at
}

// changes are the calls that change something at Cloudflare.
type changes struct {
	mu    sync.Mutex
	calls map[string][]time.Time // by method
}

// inFrontOf returns an address where calls are passed on, and noted.
func (c *changes) inFrontOf(tb testing.TB, api string) string {
	tb.Helper()
	c.calls = map[string][]time.Time{}
	to := harness.Must[*url.URL](tb)(url.Parse(api))
	path := to.Path
	to.Path = ""
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.note(r.Method)
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	return server.URL + path
}

func (c *changes) note(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[method] = append(c.calls[method], time.Now())
}

// nth returns when there was the nth call with a method after a time, and waits for it.
func (c *changes) nth(tb testing.TB, n int, after time.Time, method string) (at time.Time) {
	tb.Helper()
	harness.Eventually(tb, readyTime, method+" of Cloudflare", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		since := slices.DeleteFunc(slices.Clone(c.calls[method]), func(call time.Time) bool { return !call.After(after) })
		if len(since) < n {
			return fmt.Errorf("there were %d of %d", len(since), n)
		}
		at = since[n-1]
		return nil
	})
	return at
}
