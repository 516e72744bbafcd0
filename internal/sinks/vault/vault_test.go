package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// Every combination runs against one real Vault, one after the other: the suite
// seals it and freezes it.
func TestConformance(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	server.Mount(t, "kv", 1)
	for _, c := range []struct {
		name  string
		setup func(*Config)
	}{
		{"KV version 2, replace", func(*Config) {}},
		{"KV version 2, merge", func(c *Config) { c.WriteMode = Merge }},
		{"KV version 2, no check-and-set", func(c *Config) { c.CAS = false }},
		{"KV version 1, replace", func(c *Config) { c.Mount, c.KVVersion = "kv", 1 }},
		{"KV version 1, merge", func(c *Config) { c.Mount, c.KVVersion, c.WriteMode = "kv", 1, Merge }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, server, c.setup)
			sinktest.Run(t, f.harness())
		})
	}
}

// fixture is a sink's configuration with a token of its own at a server.
type fixture struct {
	server *vaulttest.Server
	config *Config
	policy string
	bare   bool          // the tokens of its role lack Vault's policy "default"
	ttl    time.Duration // of the tokens of its role; 0: ttl
	serial atomic.Int64
}

const everything = `path "secret/*" { capabilities = ["create", "read", "update"] }
path "kv/*" { capabilities = ["create", "read", "update"] }
`

func newFixture(t *testing.T, server *vaulttest.Server, setup func(*Config)) *fixture {
	t.Helper()
	f := &fixture{server: server, config: newTestConfig(server), policy: policyName(t)}
	server.Policy(t, f.policy, everything)
	f.config.Auth.Token = tokenFile(t, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}}))
	if setup != nil {
		setup(f.config)
	}
	return f
}

func newTestConfig(server *vaulttest.Server) *Config {
	c := NewConfig()
	c.Address, c.Path = server.Address, "moq/{{.Relay}}/{{.Type}}"
	if server.CA != nil {
		c.CAFile = server.CA.File
	}
	return c
}

func policyName(t *testing.T) string {
	return strings.NewReplacer("/", "-", ",", "").Replace(strings.ToLower(t.Name()))
}

func tokenFile(t *testing.T, token string) *secret.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	save(t, path, token)
	return &secret.Source{File: path}
}

func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open opens the sink as configuration wiring does, so Diagnostics must be empty.
func open(t *testing.T, c *Config) *sink {
	t.Helper()
	if p := c.Diagnostics(); len(p) > 0 {
		t.Fatalf("diagnostics: %v", p)
	}
	s, err := c.Open(t.Context(), sinks.OpenOptions{
		Name: "vault-prod", Env: secret.NewEnvironment(os.Environ()), Logins: sinks.NewLogins(),
	})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s.(*sink)
}

func (f *fixture) open(t *testing.T) *sink {
	t.Helper()
	s := open(t, f.config)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (f *fixture) harness() sinktest.Harness {
	h := sinktest.Harness{
		Open:    func(t *testing.T) sinks.Sink { return open(t, f.config) },
		Target:  func(*testing.T) string { return f.target() },
		Peek:    f.peek,
		Foreign: func(t *testing.T, target string) { f.put(t, target, map[string]any{"token": "foreign", "n": 1.5}) },
		Break: func(t *testing.T) func() {
			f.server.Seal(t)
			return func() { f.server.Unseal(t) }
		},
		Deny: f.deny,
		Hang: func(t *testing.T) func() { return f.server.Freeze(t) },
		Front: &sinktest.Front{Store: f.server.Address, Open: func(t *testing.T, address string, timeout time.Duration) sinks.Sink {
			c := *f.config
			c.Address, c.Timeout = address, timeout
			return open(t, &c)
		}, Aside: func(r *http.Request) bool { return r.URL.Path == "/v1/auth/token/renew-self" }},
		Echo: f.echo(),
	}
	if f.config.KVVersion == 2 {
		h.Versions = f.version
	}
	return h
}

// What the echoing Vault is sent besides the value. None looks like a secret by itself.
const (
	echoedID = "5f1e0c3a-7d2b-4c88-9a61-0e4b7f2d9c35"
	opaque   = "a token of a plugin, 31415926535"
	theirs   = "what others keep beside our field"
)

// echo has a sink log in with an AppRole at a Vault that repeats what it is sent.
func (f *fixture) echo() *sinktest.Echo {
	return &sinktest.Echo{
		Open: func(t *testing.T, address string) (sinks.Sink, []string) {
			c := *f.config
			c.Address, c.CAFile = address, ""
			c.Auth = Auth{AppRole: &AppRole{RoleID: "role", SecretID: *tokenFile(t, echoedID)}}
			if c.WriteMode == Merge {
				return open(t, &c), []string{echoedID, opaque, theirs}
			}
			return open(t, &c), []string{echoedID, opaque}
		},
		Error: func(text string) string {
			body, _ := json.Marshal(map[string]any{"errors": []string{text}})
			return string(body)
		},
		Grant: func(w http.ResponseWriter, r *http.Request) bool {
			answer := f.grants(r)
			if answer != nil {
				_ = json.NewEncoder(w).Encode(answer)
			}
			return answer != nil
		},
	}
}

// grants lets a call log in, find the mount and read, but not write.
func (f *fixture) grants(r *http.Request) any {
	fields := map[string]any{"theirs": theirs}
	switch path := strings.TrimPrefix(r.URL.Path, "/v1/"); {
	case path == "auth/approle/login":
		return map[string]any{"auth": map[string]any{"client_token": opaque}}
	case strings.HasPrefix(path, "sys/internal/ui/mounts/"):
		version := fmt.Sprint(f.config.KVVersion)
		return map[string]any{"data": map[string]any{"type": "kv", "options": map[string]string{"version": version}, "path": f.config.Mount + "/"}}
	case r.Method == http.MethodGet && f.config.KVVersion == 1:
		return map[string]any{"data": fields}
	case r.Method == http.MethodGet && strings.Contains(path, "/data/"):
		return map[string]any{"data": map[string]any{"data": fields, "metadata": map[string]any{"version": 1}}}
	}
	return nil
}

func (f *fixture) target() string { return fmt.Sprintf("%s/t%d", f.policy, f.serial.Add(1)) }

func (f *fixture) data(target string) string {
	data, _ := newEngine(f.config.Mount, f.config.KVVersion).paths(target)
	return data
}

func (f *fixture) put(t *testing.T, target string, fields map[string]any) {
	t.Helper()
	if f.config.KVVersion == 2 {
		fields = map[string]any{"data": fields}
	}
	f.server.Write(t, f.data(target), fields)
}

// fields reads the secret with the vendor's own client.
func (f *fixture) fields(t *testing.T, target string) map[string]any {
	t.Helper()
	c := f.server.Client(t)
	var got *api.KVSecret
	var err error
	if f.config.KVVersion == 2 {
		got, err = c.KVv2(f.config.Mount).Get(t.Context(), target)
	} else {
		got, err = c.KVv1(f.config.Mount).Get(t.Context(), target)
	}
	if errors.Is(err, api.ErrSecretNotFound) {
		return nil
	}
	if err != nil {
		t.Fatalf("peek: %v", err)
	}
	return got.Data
}

func (f *fixture) peek(t *testing.T, target string) (string, bool) {
	t.Helper()
	fields := f.fields(t, target)
	if f.config.WriteMode == Merge {
		fields = selectFields(fields, fieldTemplates(f.config.Fields).fieldNames())
	}
	if len(fields) == 0 {
		return "", false
	}
	v, err := encodeFields(fields)
	if err != nil {
		t.Fatal(err)
	}
	return v.Reveal(), true
}

func (f *fixture) version(t *testing.T, target string) int {
	t.Helper()
	m, err := f.server.Client(t).KVv2(f.config.Mount).GetMetadata(t.Context(), target)
	if errors.Is(err, api.ErrSecretNotFound) {
		return 0
	}
	if err != nil {
		t.Fatalf("metadata: %v", err)
	}
	return m.CurrentVersion
}

func (f *fixture) deny(t *testing.T, target string) (allow func()) {
	t.Helper()
	f.server.Policy(t, f.policy, everything+fmt.Sprintf("path %q { capabilities = [\"read\"] }", f.data(target)))
	return func() { f.server.Policy(t, f.policy, everything) }
}

// wantFault demands a *fault.Error of class and reason whose text holds every one of words.
func wantFault(t *testing.T, err error, class fault.Class, reason fault.Reason, words ...string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("error is %T, want a *fault.Error: %v", err, err)
	}
	if f.Class != class || f.Reason != reason {
		t.Errorf("%s, %s; want %s, %s (%v)", f.Class, f.Reason, class, reason, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error does not say %q: %v", w, err)
		}
	}
}

func mustWrite(t *testing.T, s *sink, target string, n int) {
	t.Helper()
	if err := s.Write(t.Context(), target, content(t, s, n), sinks.WriteOptions{}); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func content(t *testing.T, s *sink, n int) secret.Value {
	t.Helper()
	v, err := s.Render(sinktest.Record(n))
	if err != nil {
		t.Fatalf("Render: %v", err)
	}
	return v
}
