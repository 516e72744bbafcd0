package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// ailment is one trouble of a store: what brings it on, what the error must name
// so that a person can cure it, and the cure.
type ailment struct {
	name  string
	ail   func()
	words []string
	cure  func()
}

// endure brings each ailment on, sees the rotation fail with the words, cures it,
// and sees the next rotation delivered.
func (d *daemon) endure(served func() string, list []ailment) {
	d.t.Helper()
	for _, a := range list {
		a.ail()
		d.rotatord("rotate", "live").Expect(d.t, 1, a.words...)
		a.cure()
		if r := d.rotatord("rotate", "live"); r.Code != 0 {
			d.t.Fatalf("%s: cured, and still: %s", a.name, r.Err)
		}
		if v := served(); !d.sim.Accepts(harness.RelayID(0), v) {
			d.t.Errorf("%s: the store holds no token that is accepted", a.name)
		}
	}
}

const (
	moqPolicy = `path "secret/data/moq/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/moq/*" { capabilities = ["read"] }`
	noPolicy = `path "secret/data/nothing" { capabilities = ["read"] }`
)

func TestVaultTroubleEndsInDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	vault := vaulttest.Start(t)
	vault.Policy(t, "moq", moqPolicy)
	login := func() { w.Put("vault-token", vault.Token(t, &api.TokenCreateRequest{Policies: []string{"moq"}})) }
	login()
	w.vaultSink(vault, "secret", 2)
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.endure(func() string { return readVault(t, vault, "secret/data/moq/live/subscribe") }, []ailment{
		{"token revoked", func() { revokeVaultToken(t, vault, w.Read("vault-token")) }, []string{"vault", "token"}, login},
		{"sealed", func() { vault.Seal(t) }, []string{"sealed"}, func() { vault.Unseal(t) }},
		{
			"permission withdrawn", func() { vault.Policy(t, "moq", noPolicy) },
			[]string{`path "secret/data/moq/live/subscribe"`, "capabilities"}, func() { vault.Policy(t, "moq", moqPolicy) },
		},
	})
	for name, ail := range map[string]func(){
		"a secret that was destroyed": func() { mustVault(t, vault, "secret/metadata/moq/live/subscribe") },
		"a secret that another writer changed": func() {
			vault.Write(t, "secret/data/moq/live/subscribe", map[string]any{"data": map[string]any{"token": "another's"}})
		},
	} {
		ail()
		if r := d.rotatord("rotate", "live"); r.Code != 0 {
			t.Errorf("%s stops the rotation: %s", name, r.Err)
		}
	}
}

func TestAKVVersion1MountWhere2IsConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	vault := vaulttest.Start(t)
	vault.Mount(t, "old", 1)
	w.Put("vault-token", vault.RootToken)
	w.vaultSink(vault, "old", 2)
	d := w.start()
	d.endure(func() string { return readVault(t, vault, "old/moq/live/subscribe") }, []ailment{{
		"wrong version", func() {}, []string{"old", "version 1", "kv_version"},
		func() { w.vaultSink(vault, "old", 1); d.Signal(syscall.SIGHUP); d.says("configuration reloaded") },
	}})
}

func TestAWSTroubleEndsInDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	aws, sink := w.withAWS("")
	w.configure(settings{Sinks: sink, Defaults: "{schedule: manual, initial: schedule, grace: 100ms, sinks: [aws]}"})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	calm := func() { aws.Inject(nil) }
	answer := func(status int, code, message string, ops ...string) func() {
		return func() {
			aws.Inject(func(op, _ string) *awstest.Failure {
				for _, o := range ops {
					if o == op {
						return &awstest.Failure{Status: status, Code: code, Message: message}
					}
				}
				return nil
			})
		}
	}
	d.endure(func() string { v, _ := aws.Value("moq/live/subscribe"); return v }, []ailment{
		{"throttling", answer(400, "ThrottlingException", "Rate exceeded", "DescribeSecret"), []string{"ThrottlingException"}, calm},
		{
			"marked for deletion", answer(400, "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", "GetSecretValue", "PutSecretValue"),
			[]string{"restore-secret"}, calm,
		},
		{"key refused", answer(400, "EncryptionFailure", "KMS access denied", "PutSecretValue"), []string{"EncryptionFailure", "KMS"}, calm},
		{"credentials expired", answer(403, "ExpiredTokenException", "The security token included in the request is expired", "DescribeSecret"), []string{"ExpiredTokenException", "credentials"}, calm},
		{"permission withdrawn", answer(403, "AccessDeniedException", "not authorized", "PutSecretValue"), []string{"AccessDeniedException", "secretsmanager:"}, calm},
	})
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Failure == nil && len(s.OldTokens) == 0 })
}

func (w *world) vaultSink(vault *vaulttest.Server, mount string, version int) {
	w.t.Helper()
	w.configure(settings{
		Sinks: fmt.Sprintf("  vault: {type: vault, address: \"%s\", mount: %s, kv_version: %d, path: \"moq/{{.Relay}}/{{.Type}}\", auth: {token: {file: %s}}}\n",
			vault.Address, mount, version, w.Path("vault-token")),
		Defaults: "{schedule: manual, initial: schedule, grace: 100ms, sinks: [vault]}",
	})
}

func readVault(t *testing.T, vault *vaulttest.Server, path string) string {
	t.Helper()
	value, found, err := harness.VaultToken(t, vault, path)
	if err != nil || !found {
		t.Fatalf("read %s: %v", path, err)
	}
	return value
}

func revokeVaultToken(t *testing.T, vault *vaulttest.Server, token string) {
	t.Helper()
	if err := vault.Client(t).Auth().Token().RevokeTree(token); err != nil {
		t.Fatal(err)
	}
}

func mustVault(t *testing.T, vault *vaulttest.Server, path string) {
	t.Helper()
	if _, err := vault.Client(t).Logical().Delete(path); err != nil {
		t.Fatalf("delete %s: %v", path, err)
	}
}
