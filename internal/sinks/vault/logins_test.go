package vault

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// gate stands in front of a Vault and counts what goes through.
type gate struct {
	*httptest.Server
	logins, lookups atomic.Int64
	page            atomic.Bool // it answers logins itself, as a proxy does
}

func newGate(t *testing.T, server *vaulttest.Server) *gate {
	t.Helper()
	to, err := url.Parse(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	g, proxy := &gate{}, httputil.NewSingleHostReverseProxy(to)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/login"):
			g.logins.Add(1)
			if g.page.Load() {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<html>Forbidden</html>")
				return
			}
		case strings.HasSuffix(r.URL.Path, "/lookup-self"):
			g.lookups.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// fleet is two sinks that show one credential, and 15 targets of each.
type fleet struct {
	*fixture
	gate   *gate
	logins *sinks.Logins
	sinks  []*sink
}

func newFleet(t *testing.T, server *vaulttest.Server, auth func(*fixture)) *fleet {
	t.Helper()
	f := &fleet{fixture: newFixture(t, server, nil), gate: newGate(t, server), logins: sinks.NewLogins()}
	auth(f.fixture)
	f.config.Address = f.gate.URL
	for _, name := range []string{"one", "two"} {
		s, err := f.config.Open(t.Context(), sinks.OpenOptions{Name: name, Logins: f.logins})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		f.sinks = append(f.sinks, s.(*sink))
	}
	return f
}

// probe probes all targets at once and returns what that came to.
func (f *fleet) probe(ctx context.Context) (errs []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 15 {
		for _, s := range f.sinks {
			wg.Go(func() {
				_, err := s.Probe(ctx, f.target(), sinks.ProbeOptions{Read: true})
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
	}
	wg.Wait()
	return errs
}

func wantRefused(t *testing.T, errs []error) {
	t.Helper()
	for _, err := range errs {
		wantFault(t, err, fault.Permanent, fault.Unauthorized, "log in to Vault")
		if fault.Of(err).After <= 0 {
			t.Errorf("no time of the next try: %v", err)
		}
	}
}

// secretID makes another secret id of the AppRole at mount.
func secretID(t *testing.T, server *vaulttest.Server, mount string) string {
	t.Helper()
	return server.Write(t, "auth/"+mount+"/role/rotatord/secret-id", nil).Data["secret_id"].(string)
}

func TestARefusedSecretIDLocksNobodyOut(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFleet(t, server, func(f *fixture) { enable(t, f, "approle", "approle", useAppRole) })
	role := f.config.Auth.AppRole
	bad := credential(t, f.config.Auth)
	server.Write(t, "auth/approle/role/rotatord/secret-id/destroy", map[string]any{"secret_id": bad})

	for range 3 {
		errs := f.probe(t.Context())
		wantRefused(t, errs)
		sinktest.NoLeak(t, errs[0], bad)
	}
	f.logins.AllowOnce()
	errs := f.probe(t.Context())
	wantRefused(t, errs)
	if n := f.gate.logins.Load(); n != 2 {
		t.Errorf("%d logins, want one, and one that a person asked for", n)
	}
	wantFault(t, f.probe(t.Context())[0], fault.Permanent, fault.Unauthorized, "invalid role or secret ID", "remembered: refused 2 times since")

	other, err := server.Client(t).Logical().Write("auth/approle/login", map[string]any{
		"role_id": role.RoleID, "secret_id": secretID(t, server, "approle"),
	})
	if err != nil || other.Auth == nil {
		t.Fatalf("the role is locked for others: %v", err)
	}
	if names := f.logins.Renewed(); len(names) != 0 {
		t.Errorf("%v are said to have a new secret", names)
	}
	save(t, role.SecretID.File, secretID(t, server, "approle"))
	if names := f.logins.Renewed(); len(names) != 2 {
		t.Errorf("only %v are said to have a new secret", names)
	}
	for _, err := range f.probe(t.Context()) {
		if err != nil {
			t.Errorf("with a new secret id: %v", err)
		}
	}
}

func TestAProxysPageIsNoRefusalOfALogin(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFleet(t, server, func(f *fixture) { enable(t, f, "approle", "approle", useAppRole) })
	f.gate.page.Store(true)
	wantFault(t, f.probe(t.Context())[0], fault.Retry, fault.BadAnswer, "log in to Vault", "proxy")
	f.gate.page.Store(false)
	for _, err := range f.probe(t.Context()) {
		if err != nil {
			t.Errorf("after the proxy's page: %v", err)
		}
	}
}

func TestADeadTokenIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFleet(t, server, func(*fixture) {})
	for _, err := range f.probe(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	revoke(t, server, heldToken(t, f.sinks[0]))
	f.gate.lookups.Store(0)
	for range 3 {
		wantRefused(t, f.probe(t.Context()))
	}
	if n := f.gate.lookups.Load(); n != 1 {
		t.Errorf("%d look-ups of a dead token, want 1", n)
	}
	save(t, f.config.Auth.Token.File, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}}))
	for _, err := range f.probe(t.Context()) {
		if err != nil {
			t.Errorf("with a new token: %v", err)
		}
	}
}

func TestASlotInBlackoutWaitsFiveMinutesForATryAtMost(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFleet(t, server, func(f *fixture) { enable(t, f, "approle", "approle", useAppRole) })
	server.Write(t, "auth/approle/role/rotatord/secret-id/destroy", map[string]any{"secret_id": credential(t, f.config.Auth)})
	for range 3 {
		f.logins.AllowOnce()
		f.probe(t.Context())
	}
	for ctx, most := range map[context.Context]time.Duration{t.Context(): 16 * time.Minute, sinks.Urgent(t.Context()): 5 * time.Minute} {
		_, err := f.sinks[0].Probe(ctx, f.target(), sinks.ProbeOptions{Read: true})
		if after := fault.Of(err).After; after > most || after < most-time.Minute {
			t.Errorf("the next try is in %s, want %s", after, most)
		}
	}
}
