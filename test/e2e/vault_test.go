package e2e

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/test/harness"
)

const (
	subscribeAt  = "moq/live/subscribe"
	createPolicy = `path "secret/data/moq/*" { capabilities = ["create", "read"] }`
	writePolicy  = `path "secret/data/moq/*" { capabilities = ["create", "read", "update"] }`
	openPolicy   = writePolicy + `
path "secret/metadata/moq/*" { capabilities = ["read"] }
path "secret/config" { capabilities = ["read"] }`
)

// TestNothingIsMintedThatVaultWouldRefuse has Vault demand what only a deep look, or a try, tells.
func TestNothingIsMintedThatVaultWouldRefuse(t *testing.T) {
	t.Parallel()
	vault := vaulttest.Start(t)
	demand := func(where string, cas bool) func() {
		return func() { vault.Write(t, where, map[string]any{"cas_required": cas}) }
	}
	cases := []struct {
		name, policy string
		cas          bool
		ail          func()
		checked      []string // of check --online, which writes nothing
		refused      []string // of a rotation; none: it works
		cure         func()
	}{
		{
			name: "the mount demands check-and-set", policy: openPolicy, ail: demand("secret/config", true),
			checked: []string{"FAIL", "set cas: true"}, refused: []string{"secret/config says cas_required", "set cas: true"}, cure: demand("secret/config", false),
		},
		{
			name: "the secret demands check-and-set", policy: openPolicy, ail: demand("secret/metadata/"+subscribeAt, true),
			checked: []string{"FAIL", "set cas: true"}, refused: []string{"says cas_required"}, cure: demand("secret/metadata/"+subscribeAt, false),
		},
		{
			name: "the secret demands check-and-set, and no one may see it", policy: writePolicy, ail: demand("secret/metadata/"+subscribeAt, true),
			checked: []string{"not tried: needs a write (whether the store demands check-and-set"},
		},
		{
			name: "metadata alone is left, and the policy lacks update", policy: createPolicy, cas: true,
			ail:     func() { vault.Write(t, "secret/metadata/"+subscribeAt, map[string]any{"max_versions": 3}) },
			checked: []string{"not tried: needs a write (whether a write takes update"},
			refused: []string{"answers 403", `"update"`}, cure: func() { vault.Policy(t, "moq", writePolicy) },
		},
	}
	for _, strategy := range []string{"overlap", "in_place"} {
		for _, c := range cases {
			t.Run(strategy+", "+c.name, func(t *testing.T) {
				w := newWorld(t, 1)
				vault.Policy(t, "moq", c.policy)
				w.Put("vault-token", vault.Token(t, &api.TokenCreateRequest{Policies: []string{"moq"}}))
				w.configure(settings{
					Sinks: fmt.Sprintf("  vault: {type: vault, address: \"%s\", path: \"moq/{{.Relay}}/{{.Type}}\", cas: %t, auth: {token: {file: %s}}}\n",
						vault.Address, c.cas, w.Path("vault-token")),
					Defaults: fmt.Sprintf("{schedule: manual, initial: schedule, strategy: %s, sinks: [vault]}", strategy),
				})
				mustVault(t, vault, "secret/metadata/"+subscribeAt)
				c.ail()
				d := w.start()
				if r := d.rotatord("check", "--online"); !containsAll(r.Out+r.Err, c.checked) {
					t.Errorf("check --online: %s%s", r.Out, r.Err)
				}
				if len(c.refused) > 0 {
					d.rotatord("rotate", "live").Expect(t, 1, c.refused...)
					if made := w.sim.Counts()[cfsim.Create] + w.sim.Counts()[cfsim.Rotate]; made > 0 {
						t.Errorf("%d tokens were minted", made)
					}
					c.cure()
				}
				d.rotatord("rotate", "live").Expect(t, 0)
				if v := readVault(t, vault, "secret/data/"+subscribeAt); !d.sim.Accepts(harness.RelayID(0), v) {
					t.Error("Vault holds no token that is accepted")
				}
			})
		}
	}
}

// TestNoLoginAtVaultIsLeftAlive logs in as often as a person reloads, checks and runs once.
func TestNoLoginAtVaultIsLeftAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	vault := vaulttest.Start(t)
	vault.Policy(t, "moq", openPolicy)
	role := newAppRole(t, vault)
	w.Put("secret-id", role.secretID(t))
	configure := func(timeout string) {
		w.configure(settings{
			Sinks: fmt.Sprintf("  vault: {type: vault, address: \"%s\", timeout: %s, path: \"moq/{{.Relay}}/{{.Type}}\", auth: {approle: {role_id: %s, secret_id: {file: %s}}}}\n",
				vault.Address, timeout, role.id, w.Path("secret-id")),
			Defaults: "{schedule: manual, initial: schedule, grace: 1h, sinks: [vault]}",
		})
	}
	alive := func(after string, want int) {
		t.Helper()
		if n := vault.Logins(t, "approle"); n != want {
			t.Errorf("%d logins live after %s, want %d", n, after, want)
		}
	}
	configure("10s")
	w.rotatord("check", "--online").Expect(t, 0)
	alive("check --online", 0)
	w.rotatord("run", "--once").Expect(t, 0)
	alive("run --once", 0)

	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	alive("a rotation", 1)
	for _, timeout := range []string{"11s", "12s"} {
		configure(timeout)
		before := vault.Logins(t, "approle")
		d.Signal(syscall.SIGHUP)
		d.until(func() error {
			d.rotatord("rotate", "live").Expect(t, 0)
			if vault.Logins(t, "approle") == before {
				return errors.New("the sink is not opened anew yet")
			}
			return nil
		})
	}
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	alive("a stop", 0)
}
