package soak

import (
	"net"
	"net/http"
	"time"
)

// call is one of Cloudflare.
type call struct {
	at      time.Time // of the machine's own clock
	host    string    // whose it is
	changes bool
	what    string
}

// hears takes down a call of Cloudflare.
func (c *chronicle) hears(r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call{time.Now(), host, r.Method != http.MethodGet, r.Method + " " + r.URL.Path})
}

// firstCall returns when a host first called Cloudflare after a time, to change something, or for whatever it was.
func (c *chronicle) firstCall(host string, after time.Time, changes bool) (at time.Time, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		if call.host == host && call.at.After(after) && (call.changes || !changes) {
			return call.at, true
		}
	}
	return time.Time{}, false
}

// Who leads is known here some time after it is true: a little, or, while etcd has no leader, more.
const (
	actsOn  = time.Second     // for this long a call of a former leader may be on its way
	knownIn = 5 * time.Second // in which a term is known here
)

// nobody is where calls come from whose process had ended before it could be found.
const nobody = "127.0.0.1"

// checkCalls looks whether only leaders changed something.
func (g *replicas) checkCalls() {
	g.chronicle.mu.Lock()
	defer g.chronicle.mu.Unlock()
	found := 0
	for _, call := range g.chronicle.calls {
		if found < mostTold && call.changes && call.host != nobody && !g.couldAct(call) {
			found++
			g.Errorf("%s: %s, from %s, which did not lead", call.at.UTC().Format(time.RFC3339Nano), call.what, call.host)
		}
	}
}

func (g *replicas) couldAct(c call) bool {
	for i, t := range g.chronicle.terms {
		r, err := g.of(t.card)
		if err != nil || r.host.Address() != c.host || c.at.Before(t.seen.Add(-knownIn)) {
			continue
		}
		if i == len(g.chronicle.terms)-1 || c.at.Before(g.chronicle.terms[i+1].seen.Add(actsOn)) {
			return true
		}
	}
	return false
}
