package vault

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// Its own login a former leader keeps for the next term, or gives back.
func TestWhoLeadsNoMoreWritesNothingAndGivesBackItsLogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, vaulttest.Start(t, vaulttest.TLS()), nil)
	enable(t, f, "approle", "approle", useAppRole)
	var over atomic.Bool
	why := errors.New("its lease is not confirmed")
	opened, err := f.config.Open(t.Context(), sinks.OpenOptions{Name: "vault-prod", Logins: sinks.NewLogins(), MayAct: func() error {
		if over.Load() {
			return why
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, target := opened.(*sink), f.target()
	mustWrite(t, s, target, 1)
	version := f.version(t, target)

	over.Store(true)
	_, readErr := s.Read(t.Context(), target)
	_, probeErr := s.Probe(t.Context(), target, sinks.ProbeOptions{})
	for op, err := range map[string]error{
		"write": s.Write(t.Context(), target, content(t, s, 2), sinks.WriteOptions{}), "read": readErr, "probe": probeErr,
	} {
		wantFault(t, err, fault.Retry, fault.Canceled, "this replica leads no more", target)
		if !fault.Of(err).Unsent || !errors.Is(err, why) {
			t.Errorf("%s: %v, want that nothing was sent", op, err)
		}
	}
	over.Store(false) // but the term in which a write began is
	ended := mandate.With(t.Context(), mandate.Mandate{Lasts: func() error { return why }})
	if err := s.Write(ended, target, content(t, s, 2), sinks.WriteOptions{}); !errors.Is(err, why) {
		t.Errorf("a write of a former term: %v", err)
	}
	if now := f.version(t, target); now != version {
		t.Errorf("the secret has version %d now, not %d", now, version)
	}
	mustWrite(t, s, target, 3)

	over.Store(true)
	before := f.server.Logins(t, "approle")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after := f.server.Logins(t, "approle"); before != 1 || after != 0 {
		t.Errorf("%d logins live after Close, %d before", after, before)
	}
}

// What a path in Vault is called is its owner's to choose.
func TestASecretThatIsCalledLikeALoginIsNone(t *testing.T) {
	for address, paths := range map[string]map[string]bool{
		"https://vault.example":      {"/v1/auth/approle/login": true, "/v1/secret/data/v1/auth/x": false, "/v1/sys/health": false},
		"https://vault.example/way/": {"/way/v1/auth/token/renew-self": true, "/v1/auth/token/renew-self": false},
	} {
		c := &Config{Address: address}
		for path, want := range paths {
			if got := c.isOfLogin(&http.Request{URL: &url.URL{Path: path}}); got != want {
				t.Errorf("%s of %s is of a login: %t", path, address, got)
			}
		}
	}
}
