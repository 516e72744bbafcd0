package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// TestARefusedSecretIDIsNotShownBySlotAfterSlot has 30 slots whose sink logs in with
// a secret id that Vault does not take any more.
func TestARefusedSecretIDIsNotShownBySlotAfterSlot(t *testing.T) {
	t.Parallel()
	const slots = 30
	w := newWorld(t, slots)
	vault := vaulttest.Start(t)
	vault.Policy(t, "moq", moqPolicy)
	role := newAppRole(t, vault)
	gate := newLoginGate(t, vault)
	w.Put("secret-id", "used-up")
	var relays strings.Builder
	for n := range slots {
		fmt.Fprintf(&relays, "r%d: {id: %s, tokens: {subscribe: {}}}, ", n, harness.RelayID(n))
	}
	w.configure(settings{
		Sinks: fmt.Sprintf("  vault: {type: vault, address: \"%s\", path: \"moq/{{.Relay}}/{{.Type}}\", auth: {approle: {role_id: %s, secret_id: {file: %s}}}}\n",
			gate.URL, role.id, w.Path("secret-id")),
		Defaults: "{schedule: manual, initial: now, grace: 1h, sinks: [vault]}",
		Relays:   "{" + relays.String() + "}",
	})
	d := w.start()
	for n := range slots {
		d.failing(fmt.Sprintf("r%d/subscribe", n), "invalid role or secret ID")
	}
	gate.wants(d, 1, "30 slots")
	d.Signal(syscall.SIGHUP)
	gate.wants(d, 2, "a reload")
	d.rotatord("rotate", "--no-wait", "r1").Expect(t, 0)
	gate.wants(d, 3, "a rotate")
	d.untilSlot("r1/subscribe", func(s slot.Status) bool {
		return s.Failure != nil && strings.Contains(s.Failure.Message, "invalid role or secret ID")
	})
	if !role.admits(t, role.secretID(t)) {
		t.Fatal("the role is locked for everybody else")
	}
	w.Put("secret-id", role.secretID(t))
	for n := range slots {
		d.untilSlot(fmt.Sprintf("r%d/subscribe", n), func(s slot.Status) bool { return !s.LastRotation.IsZero() })
	}
	d.says("a refused login has a new secret")
}

// appRole is a role of a Vault's AppRole method.
type appRole struct {
	vault *vaulttest.Server
	id    string
}

func newAppRole(t *testing.T, vault *vaulttest.Server) appRole {
	t.Helper()
	vault.Write(t, "sys/auth/approle", map[string]any{"type": "approle"})
	vault.Write(t, "auth/approle/role/rotatord", map[string]any{"token_policies": "moq"})
	id, err := vault.Client(t).Logical().Read("auth/approle/role/rotatord/role-id")
	if err != nil {
		t.Fatal(err)
	}
	return appRole{vault, id.Data["role_id"].(string)}
}

func (r appRole) secretID(t *testing.T) string {
	t.Helper()
	return r.vault.Write(t, "auth/approle/role/rotatord/secret-id", nil).Data["secret_id"].(string)
}

// admits reports whether the role can log in with a secret id.
func (r appRole) admits(t *testing.T, secretID string) bool {
	t.Helper()
	_, err := r.vault.Client(t).Logical().Write("auth/approle/login", map[string]any{"role_id": r.id, "secret_id": secretID})
	return err == nil
}

// loginGate stands in front of a Vault and counts logins.
type loginGate struct {
	*httptest.Server
	logins atomic.Int64
}

func newLoginGate(t *testing.T, vault *vaulttest.Server) *loginGate {
	t.Helper()
	to, err := url.Parse(vault.Address)
	if err != nil {
		t.Fatal(err)
	}
	g, proxy := &loginGate{}, httputil.NewSingleHostReverseProxy(to)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/login") {
			g.logins.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// wants waits for so many logins since the start, and no more.
func (g *loginGate) wants(d *daemon, n int64, after string) {
	d.t.Helper()
	d.until(func() error {
		switch seen := g.logins.Load(); {
		case seen < n:
			return fmt.Errorf("%d logins after %s, want %d", seen, after, n)
		case seen > n:
			d.t.Fatalf("%d logins after %s, want %d", seen, after, n)
		}
		return nil
	})
}
