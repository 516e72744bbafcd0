package vault

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

func TestVaultSeesAsManyCallsAsCheckSays(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	server.Mount(t, "kv", 1)
	for name, setup := range map[string]func(*Config){
		"KV version 2, replace":          func(*Config) {},
		"KV version 2, merge":            func(c *Config) { c.WriteMode = Merge },
		"KV version 2, no check-and-set": func(c *Config) { c.CAS = false },
		"KV version 1, replace":          func(c *Config) { c.Mount, c.KVVersion = "kv", 1 },
		"KV version 1, merge":            func(c *Config) { c.Mount, c.KVVersion, c.WriteMode = "kv", 1, Merge },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, server, setup)
			front, seen := inFront(t, server.Address)
			f.config.Address = front
			s, target := f.open(t), f.target()
			mustWrite(t, f.open(t), target, 1)                     // by another, which has looked at the mount for itself
			if _, err := s.Read(t.Context(), target); err != nil { // logs in
				t.Fatal(err)
			}
			sinktest.CheckCalls(t, sinktest.CallCheck{
				Sink: s, Target: target, Content: content(t, s, 2), Said: sinks.CallsOf(f.config), Seen: seen,
			})
		})
	}
}

// inFront stands in front of a Vault and counts the requests.
func inFront(t *testing.T, address string) (front string, seen func() int) {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() int { return int(n.Load()) }
}
