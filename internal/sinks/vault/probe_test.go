package vault

import (
	"fmt"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

func TestMountIsChecked(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())
	server.Mount(t, "kv", 1)

	for _, c := range []struct {
		name  string
		setup func(*Config)
		says  string
	}{
		{"KV version 1 where version 2 is configured", func(c *Config) { c.Mount = "kv" },
			"mount kv is KV version 1, configured kv_version: 2"},
		{"KV version 2 where version 1 is configured", func(c *Config) { c.KVVersion = 1 },
			"mount secret is KV version 2, configured kv_version: 1"},
		{"a mount that reaches into the path", func(c *Config) { c.Mount = "secret/moq" },
			"secret/moq is no mount: the mount is secret"},
		{"a mount of another kind", func(c *Config) { c.Mount = "cubbyhole" },
			"mount cubbyhole is no KV engine but cubbyhole"},
	} {
		t.Run(c.name+" is said plainly, and nothing is written", func(t *testing.T) {
			f := newFixture(t, server, c.setup)
			s := f.open(t)
			_, err := s.Probe(t.Context(), "x", sinks.ProbeOptions{Read: true})
			wantFault(t, err, fault.Permanent, fault.Invalid, c.says)
			err = s.Write(t.Context(), "x", content(t, s, 1), sinks.WriteOptions{})
			wantFault(t, err, fault.Permanent, fault.Invalid, c.says)
		})
	}

	t.Run("a mount that does not exist is not taken for an absent secret", func(t *testing.T) {
		f := newFixture(t, server, func(c *Config) { c.Mount = "nowhere" })
		f.server.Policy(t, f.policy, `path "nowhere/*" { capabilities = ["create", "read", "update"] }`)
		s := f.open(t)
		_, err := s.Read(t.Context(), "x")
		wantFault(t, err, fault.Permanent, fault.NotFound, "no handler for route", "correct mount")
		_, err = s.Probe(t.Context(), "x", sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Permanent, fault.NotFound)
	})
}

func TestPermissionIsChecked(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())

	t.Run("each missing capability is named, with the policy to paste", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		for grants, lacks := range map[string]string{
			`"read"`:             "lack create on ",
			`"create"`:           "lack update, read on ",
			`"create", "update"`: "lack read on ",
			`"deny"`:             "lack create, update, read on ",
		} {
			server.Policy(t, f.policy, fmt.Sprintf(`path "secret/data/*" { capabilities = [%s] }`, grants))
			_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
			wantFault(t, err, fault.Permanent, fault.Forbidden, lacks+"secret/data/"+target,
				fmt.Sprintf(`path "secret/data/%s" { capabilities = ["create", "read", "update"] }`, target))
		}
	})

	t.Run("permission withdrawn between probe and write is a classed error, and nothing changes", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		mustWrite(t, s, target, 1)
		if _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil {
			t.Fatalf("Probe: %v", err)
		}
		allow := f.deny(t, target)
		err := s.Write(t.Context(), target, content(t, s, 2), sinks.WriteOptions{})
		wantFault(t, err, fault.Permanent, fault.Forbidden, "permission denied", "secret/data/"+target)
		allow()
		mustWrite(t, s, target, 2)
	})
}

func TestVaultIsNotReady(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())

	t.Run("a sealed Vault is a passing error that says so", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		mustWrite(t, s, target, 1)
		server.Seal(t)
		_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Retry, fault.ServerError, "Vault is sealed", "unseal it")
		err = s.Write(t.Context(), target, content(t, s, 2), sinks.WriteOptions{})
		wantFault(t, err, fault.Retry, fault.ServerError, "Vault is sealed")
		fresh := f.open(t)
		_, err = fresh.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Retry, fault.ServerError, "Vault is sealed")
		server.Unseal(t)
		mustWrite(t, s, target, 2)
		mustWrite(t, fresh, target, 2)
	})

	t.Run("a Vault that was never initialised is told from a sealed one", func(t *testing.T) {
		c := newTestConfig(vaulttest.Start(t, vaulttest.Blank()))
		c.Auth.Token = tokenFile(t, "hvs.none")
		s := open(t, c)
		defer func() { _ = s.Close() }()
		_, err := s.Probe(t.Context(), "x", sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Retry, fault.ServerError, "not initialised", "vault operator init")
	})

	t.Run("an authority that is not trusted is named with its cure", func(t *testing.T) {
		f := newFixture(t, server, func(c *Config) { c.CAFile = "" })
		_, err := f.open(t).Probe(t.Context(), "x", sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Retry, fault.Unreachable, "unknown authority", "set ca_file")
	})
}

func TestVaultIsRestarted(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.Persistent())
	f := newFixture(t, server, nil)
	s, target := f.open(t), f.target()
	mustWrite(t, s, target, 1)
	server.Stop()
	err := s.Write(t.Context(), target, content(t, s, 2), sinks.WriteOptions{})
	wantFault(t, err, fault.Retry, fault.Unreachable, "write secret/"+target, "connection refused")
	server.Restart(t)
	mustWrite(t, s, target, 2)
	if v := f.version(t, target); v != 2 {
		t.Errorf("version is %d, want 2", v)
	}
}
