package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// doorman stands before a server and turns away what it is told to, asking for a wait.
type doorman struct {
	url  string
	shut atomic.Pointer[closedDoor]
}

type closedDoor struct{ methods, path, retryAfter string }

// close turns away requests of one of the methods for what begins with a path.
func (d *doorman) close(methods, path, retryAfter string) {
	d.shut.Store(&closedDoor{methods, path, retryAfter})
}

func (d *doorman) open() { d.shut.Store(nil) }

func newDoorman(t *testing.T, server string) *doorman {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	d, proxy := &doorman{}, httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := d.shut.Load(); c != nil && strings.Contains(c.methods, r.Method) && strings.HasPrefix(r.URL.Path, c.path) && !isTrial(r) {
			w.Header().Set("Retry-After", c.retryAfter)
			http.Error(w, `{"errors": []}`, http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	d.url = front.URL
	return d
}

// isTrial reports whether r is a write that stores nothing, as a probe sends it to Vault.
func isTrial(r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil && bytes.Contains(body, []byte(`"cas":-1`))
}

// behindDoors has both Cloudflare and a Vault behind doormen.
func behindDoors(t *testing.T, relays int, strategy string) (w *world, cloudflare, store *doorman, vault *vaulttest.Server) {
	t.Helper()
	w, vault = newWorld(t, relays), vaulttest.Start(t)
	w.Put("vault-token", vault.RootToken)
	cloudflare, store = newDoorman(t, strings.TrimSuffix(w.api.url, cfsim.BasePath)), newDoorman(t, vault.Address)
	w.api.url = cloudflare.url + cfsim.BasePath
	names := make([]string, relays)
	for n := range relays {
		names[n] = fmt.Sprintf("live%d: {id: %s, tokens: {subscribe: {}}}", n, harness.RelayID(n))
	}
	w.configure(settings{
		Sinks:    fmt.Sprintf("  vault: {type: vault, address: \"%s\", path: \"moq/{{.Relay}}\", auth: {token: {file: %s}}}\n", store.url, w.Path("vault-token")),
		Defaults: fmt.Sprintf("{schedule: manual, initial: schedule, strategy: %s, sinks: [vault]}", strategy),
		Relays:   "{" + strings.Join(names, ", ") + "}",
	})
	return w, cloudflare, store, vault
}

// absurdWait is more than any answer may ask for.
const absurdWait = "2147483647"

func TestAWaitThatAnAnswerAsksForIsBoundedAndEndsWithARestart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strategy string
		close    func(cloudflare, store *doorman)
		longest  time.Duration
	}{
		"Vault":               {"overlap", func(_, s *doorman) { s.close("GET PUT POST", "/", absurdWait) }, 5 * time.Minute},
		"Vault in a blackout": {"in_place", func(_, s *doorman) { s.close("PUT POST", "/v1/secret/data/", absurdWait) }, 10 * time.Second},
		"Cloudflare":          {"overlap", func(cf, _ *doorman) { cf.close("POST", "/", "86400") }, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, cloudflare, store, vault := behindDoors(t, 1, c.strategy)
			d := w.start()
			c.close(cloudflare, store)
			d.rotatord("rotate", "--no-wait", "live0").Expect(t, 0)
			s := d.untilSlot("live0/subscribe", func(s slot.Status) bool { return s.Failure != nil })
			if wait := s.Failure.Next.Sub(s.Failure.At); wait > c.longest {
				t.Errorf("the next attempt is %s away", wait)
			}
			d.Kill()
			cloudflare.open()
			store.open()
			d = w.start()
			d.untilSlot("live0/subscribe", func(s slot.Status) bool { return s.Failure == nil && s.Requested.IsZero() })
			if held := readVault(t, vault, "secret/data/moq/live0"); !w.sim.Accepts(harness.RelayID(0), held) {
				t.Error("Vault holds no token that is accepted")
			}
		})
	}
}

// All wait for five minutes, longer than the test has patience: it takes the first
// who finds the store well, here by a person's hand, to free the others.
func TestTheFirstWhoFindsAStoreWellFreesAllWhoWaitForIt(t *testing.T) {
	t.Parallel()
	const slots = 10
	w, _, store, _ := behindDoors(t, slots, "overlap")
	d := w.start()
	store.close("GET PUT POST", "/", absurdWait)
	d.rotatord("rotate", "--no-wait", "--all").Expect(t, 0)
	for n := range slots {
		d.untilSlot(fmt.Sprintf("live%d/subscribe", n), func(s slot.Status) bool { return s.Failure != nil })
	}
	store.open()
	d.rotatord("rotate", "live0").Expect(t, 0)
	for n := range slots {
		d.untilSlot(fmt.Sprintf("live%d/subscribe", n), func(s slot.Status) bool { return s.Failure == nil && s.Requested.IsZero() })
	}
	d.says("it answers again", `"sink":"vault"`)
}
