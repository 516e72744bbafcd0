package vault

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// tap stands in front of a Vault and keeps what was sent to it.
type tap struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // "PUT secret/data/x {body}"
	deny  func(call string) bool
	as    int // status of a refusal; 0: 403, in Vault's words
}

func newTap(t *testing.T, server *vaulttest.Server) *tap {
	t.Helper()
	to, err := url.Parse(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	w, proxy := &tap{deny: func(string) bool { return false }}, httputil.NewSingleHostReverseProxy(to)
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/v1/") + " " + string(body)
		w.mu.Lock()
		w.calls = append(w.calls, call)
		denied := w.deny(call)
		w.mu.Unlock()
		switch {
		case denied && w.as != 0:
			http.Error(rw, "<html>no such path</html>", w.as)
			return
		case denied:
			rw.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(rw, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

// denies has w refuse calls itself from now on.
func (w *tap) denies(deny func(call string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deny = deny
}

// taken returns the calls since it was last asked that begin with what.
func (w *tap) taken(what string) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if strings.HasPrefix(c, what) {
			out = append(out, c)
		}
	}
	w.calls = nil
	return out
}

// watched opens f's sink behind a tap.
func (f *fixture) watched(t *testing.T) (*sink, *tap) {
	t.Helper()
	w := newTap(t, f.server)
	f.config.Address = w.URL
	return f.open(t), w
}

func trial(t *testing.T, s *sink) sinks.ProbeOptions {
	t.Helper()
	return sinks.ProbeOptions{Trial: content(t, s, 77)}
}

func mustProbe(t *testing.T, s *sink, target string, o sinks.ProbeOptions) sinks.Holding {
	t.Helper()
	h, err := s.Probe(t.Context(), target, o)
	if err != nil {
		t.Fatalf("Probe: %v", err)
	}
	return h
}

func TestCheckAndSetThatTheStoreDemandsIsToldByTheProbe(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	without := func(c *Config) { c.CAS = false }

	t.Run("where the mount demands it, asked for once a minute", func(t *testing.T) {
		server.Mount(t, "strict", 2)
		server.Write(t, "strict/config", map[string]any{"cas_required": true})
		f := newFixture(t, server, func(c *Config) { c.Mount, c.CAS = "strict", false })
		server.Policy(t, f.policy, `path "strict/*" { capabilities = ["create", "read", "update"] }`)
		s := f.open(t)
		_, err := s.Probe(t.Context(), f.target(), trial(t, s))
		wantFault(t, err, fault.Permanent, fault.Invalid, "strict/config says cas_required", "set cas: true: the store demands it")

		server.Write(t, "strict/config", map[string]any{"cas_required": false})
		s, w := f.watched(t)
		for range 3 {
			mustProbe(t, s, f.target(), sinks.ProbeOptions{Read: true})
		}
		if n := len(w.taken("GET strict/config")); n != 1 {
			t.Errorf("the mount's configuration was read %d times", n)
		}
		f.config.CAS = true
		s, w = f.watched(t)
		mustProbe(t, s, f.target(), sinks.ProbeOptions{Read: true})
		for _, c := range w.taken("GET") {
			if strings.Contains(c, "config") || strings.Contains(c, "metadata") {
				t.Errorf("with cas: true: %s", c)
			}
		}
	})

	t.Run("where the secret demands it", func(t *testing.T) {
		f := newFixture(t, server, without)
		s, target := f.open(t), f.target()
		server.Write(t, "secret/metadata/"+target, map[string]any{"cas_required": true})
		_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{})
		wantFault(t, err, fault.Permanent, fault.Invalid, "secret/metadata/"+target+" says cas_required", "set cas: true")
	})

	t.Run("where neither may be read, it is said to be unknown, and the delivery compares versions after all", func(t *testing.T) {
		f := newFixture(t, server, without)
		s, target := f.open(t), f.target()
		server.Policy(t, f.policy, `path "secret/data/*" { capabilities = ["create", "read", "update"] }`)
		server.Write(t, "secret/metadata/"+target, map[string]any{"cas_required": true})
		h := mustProbe(t, s, target, trial(t, s))
		if !strings.Contains(h.Untried, "check-and-set") || !strings.Contains(h.Untried, "secret/config and secret/metadata/"+target) {
			t.Errorf("untried: %q", h.Untried)
		}
		for n := range 2 { // after a look, and without one
			mustWrite(t, s, target, n)
		}
		mustProbe(t, s, target, sinks.ProbeOptions{Read: true})
		mustWrite(t, s, target, 3)
		if v := f.version(t, target); v != 3 {
			t.Errorf("version is %d, want 3", v)
		}
	})

	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed} {
		t.Run(fmt.Sprintf("where a gateway answers %d for both, it is said to be unknown", status), func(t *testing.T) {
			f := newFixture(t, server, without)
			s, w := f.watched(t)
			w.as = status
			w.denies(func(call string) bool {
				return strings.HasPrefix(call, "GET secret/config") || strings.HasPrefix(call, "GET secret/metadata/")
			})
			if h := mustProbe(t, s, f.target(), trial(t, s)); !strings.Contains(h.Untried, "check-and-set") {
				t.Errorf("untried: %q", h.Untried)
			}
		})
	}

	t.Run("where the version cannot be read either, the policy is named", func(t *testing.T) {
		f := newFixture(t, server, without)
		s, target := f.open(t), f.target()
		server.Policy(t, f.policy, `path "secret/data/*" { capabilities = ["create", "update"] }`)
		server.Write(t, "secret/metadata/"+target, map[string]any{"cas_required": true})
		err := s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
		wantFault(t, err, fault.Permanent, fault.Forbidden, fmt.Sprintf("path %q {", "secret/data/"+target), `"read"`)
	})
}

// Vault counts a write to a secret of which metadata alone is left as an update.
func TestASecretOfWhichMetadataAloneIsLeft(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	for _, c := range []struct {
		name, data, metadata string
		trial                bool
		lacks                string // of the probe's error; "": the write works
	}{
		{"create without update, where metadata shows it", `"create", "read"`, `"read"`, false, "lack update on secret/data/"},
		{"update without create, where metadata shows it", `"update", "read"`, `"read"`, false, ""},
		{"create without update, where a write shows it", `"create", "read"`, `"list"`, true, "answers 403"},
		{"create and update", `"create", "update", "read"`, `"list"`, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, server, nil)
			s, target := f.open(t), f.target()
			server.Policy(t, f.policy, fmt.Sprintf("path \"secret/data/*\" { capabilities = [%s] }\npath \"secret/metadata/*\" { capabilities = [%s] }", c.data, c.metadata))
			server.Write(t, "secret/metadata/"+target, map[string]any{"max_versions": 3})
			o := sinks.ProbeOptions{Read: true}
			if c.trial {
				o.Trial = trial(t, s).Trial
			}
			_, probed := s.Probe(t.Context(), target, o)
			written := s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
			if (probed == nil) != (written == nil) {
				t.Errorf("the probe says %v, and the write %v", probed, written)
			}
			if c.lacks != "" {
				wantFault(t, probed, fault.Permanent, fault.Forbidden, c.lacks, fmt.Sprintf("path %q {", "secret/data/"+target))
			} else if probed != nil {
				t.Errorf("Probe: %v", probed)
			}
		})
	}

	t.Run("what only a write shows is said to be untried, and nothing is written", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, w := f.watched(t)
		server.Policy(t, f.policy, `path "secret/data/*" { capabilities = ["create", "read"] }`)
		h := mustProbe(t, s, f.target(), sinks.ProbeOptions{Read: true})
		if !strings.Contains(h.Untried, "takes update, which the token's policies lack") || len(w.taken("PUT secret/")) > 0 {
			t.Errorf("untried: %q", h.Untried)
		}
		if h := mustProbe(t, s, f.target(), trial(t, s)); h.Untried != "" {
			t.Errorf("after a try: %q", h.Untried)
		}
	})
}

func TestATryStoresNothingAndShowsNothingOfTheValue(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFixture(t, server, nil)
	s, w := f.watched(t)
	for name, made := range map[string]func(target string){
		"absent":         func(string) {},
		"metadata alone": func(target string) { server.Write(t, "secret/metadata/"+target, map[string]any{"max_versions": 3}) },
		"live":           func(target string) { f.put(t, target, map[string]any{"owner": "team-a"}) },
		"deleted": func(target string) {
			f.put(t, target, map[string]any{"owner": "team-a"})
			server.Write(t, "secret/delete/"+target, map[string]any{"versions": []int{1}})
		},
	} {
		target := f.target()
		made(target)
		before := f.state(t, target)
		w.taken("")
		h := mustProbe(t, s, target, trial(t, s))
		if len(h.Warnings) > 0 || h.Untried != "" {
			t.Errorf("%s: %v, %q", name, h.Warnings, h.Untried)
		}
		if after := f.state(t, target); after != before {
			t.Errorf("%s: %s is now %s", name, before, after)
		}
		sent := w.taken("PUT secret/data/")
		want := "PUT secret/data/" + target + ` {"data":{},"options":{"cas":-1}}`
		if len(sent) != 1 || strings.TrimSpace(sent[0]) != want {
			t.Errorf("%s: sent %q, want %s", name, sent, want)
		}
	}
}

// state is all that Vault says of a secret.
func (f *fixture) state(t *testing.T, target string) string {
	t.Helper()
	c := f.server.Client(t)
	metadata, err := c.Logical().Read("secret/metadata/" + target)
	if err != nil {
		t.Fatal(err)
	}
	if metadata == nil {
		return "absent"
	}
	return fmt.Sprint(metadata.Data, f.fields(t, target))
}

func TestNothingIsTriedWhereTheMountIsNotKnownToBeOfVersion2(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	server.Mount(t, "kv", 1)

	t.Run("Vault does not say what the mount is", func(t *testing.T) {
		f := newFixture(t, server, nil)
		s, w := f.watched(t)
		w.denies(func(call string) bool { return strings.Contains(call, "ui/mounts") })
		mustProbe(t, s, f.target(), trial(t, s))
		if sent := w.taken("PUT secret/"); len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
	t.Run("version 1", func(t *testing.T) {
		f := newFixture(t, server, func(c *Config) { c.Mount, c.KVVersion = "kv", 1 })
		s, w := f.watched(t)
		mustProbe(t, s, f.target(), trial(t, s))
		if sent := w.taken("PUT kv/"); len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
}

func TestARefusedTryThatThePoliciesContradictIsAWarning(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFixture(t, server, nil)
	s, target := f.open(t), f.target()
	server.Policy(t, f.policy, `path "secret/data/*" { capabilities = ["create", "read", "update"]
		allowed_parameters = { "data" = [] } }`)
	h := mustProbe(t, s, target, trial(t, s))
	if len(h.Warnings) != 1 || !strings.Contains(h.Warnings[0], "allowed_parameters") || !strings.Contains(h.Warnings[0], "secret/data/"+target) {
		t.Errorf("warnings: %q", h.Warnings)
	}
	if h := mustProbe(t, s, target, sinks.ProbeOptions{Read: true}); len(h.Warnings) > 0 {
		t.Errorf("without a try: %q", h.Warnings)
	}
}

func TestATokenThatMayNotAskForItsCapabilities(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	const mute = "\npath \"sys/capabilities-self\" { capabilities = [\"deny\"] }"
	start := func(t *testing.T, cas bool, policy string) (*fixture, *sink) {
		f := newFixture(t, server, func(c *Config) { c.CAS = cas })
		server.Policy(t, f.policy, policy+mute)
		return f, f.open(t)
	}
	const write = `path "secret/data/*" { capabilities = ["create", "update"] }`

	t.Run("has the benefit of the doubt where nothing need be read", func(t *testing.T) {
		f, s := start(t, false, write)
		target := f.target()
		if h := mustProbe(t, s, target, sinks.ProbeOptions{}); h.Known || !strings.Contains(h.Untried, "whether the token may write") {
			t.Errorf("%+v", h)
		}
		mustProbe(t, s, target, trial(t, s))
		mustWrite(t, s, target, 1)
	})
	t.Run("has it under check-and-set, where the version can be read", func(t *testing.T) {
		f, s := start(t, true, write+` path "secret/metadata/*" { capabilities = ["read"] }`)
		target := f.target()
		mustProbe(t, s, target, sinks.ProbeOptions{})
		mustWrite(t, s, target, 1)
		f, s = start(t, true, write)
		_, err := s.Probe(t.Context(), f.target(), sinks.ProbeOptions{})
		wantFault(t, err, fault.Permanent, fault.Forbidden, "secret/metadata/")
	})
	t.Run("has none where the content must be read", func(t *testing.T) {
		f, s := start(t, false, write)
		_, err := s.Probe(t.Context(), f.target(), sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Permanent, fault.Forbidden, "secret/data/")
	})
	t.Run("is found out by a try", func(t *testing.T) {
		f, s := start(t, true, `path "secret/data/*" { capabilities = ["read"] }`)
		mustProbe(t, s, f.target(), sinks.ProbeOptions{Read: true})
		_, err := s.Probe(t.Context(), f.target(), trial(t, s))
		wantFault(t, err, fault.Permanent, fault.Forbidden, "answers 403", "capabilities = ")
	})
	t.Run("is told from a dead one", func(t *testing.T) {
		f, s := start(t, false, write)
		mustProbe(t, s, f.target(), sinks.ProbeOptions{})
		revoke(t, server, heldToken(t, s))
		_, err := s.Probe(t.Context(), f.target(), sinks.ProbeOptions{})
		wantFault(t, err, fault.Permanent, fault.Unauthorized, "expired, revoked")
	})
	t.Run("is told from a dead one, where Vault says no more than that permission is denied", func(t *testing.T) {
		f, _ := start(t, false, write)
		s, w := f.watched(t)
		mustProbe(t, s, f.target(), sinks.ProbeOptions{})
		w.denies(func(call string) bool { return !strings.Contains(call, "lookup-self") })
		revoke(t, server, heldToken(t, s))
		_, err := s.Probe(t.Context(), f.target(), sinks.ProbeOptions{})
		wantFault(t, err, fault.Permanent, fault.Unauthorized, "expired, revoked")
	})
}

func TestAMountThatWasMadeAgainAsVersion1IsNoticed(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	remade := func(t *testing.T, mount string) (*fixture, *sink, string) {
		server.Mount(t, mount, 2)
		f := newFixture(t, server, func(c *Config) { c.Mount = mount })
		server.Policy(t, f.policy, fmt.Sprintf(`path "%s/*" { capabilities = ["create", "read", "update"] }`, mount))
		s, target := f.open(t), f.target()
		mustProbe(t, s, target, sinks.ProbeOptions{Read: true})
		if err := server.Client(t).Sys().Unmount(mount); err != nil {
			t.Fatal(err)
		}
		server.Mount(t, mount, 1)
		return f, s, target
	}
	for name, touch := range map[string]func(s *sink, target string) error{
		"by a write": func(s *sink, target string) error {
			return s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
		},
		"by a try": func(s *sink, target string) error {
			_, err := s.Probe(t.Context(), target, trial(t, s))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			mount := strings.ReplaceAll(name, " ", "-")
			_, s, target := remade(t, mount)
			wantFault(t, touch(s, target), fault.Retry, fault.BadAnswer, "version", mount+"/data/"+target)
			_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
			wantFault(t, err, fault.Permanent, fault.Invalid, "mount "+mount+" is KV version 1")
			err = s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
			wantFault(t, err, fault.Permanent, fault.Invalid, "mount "+mount+" is KV version 1")
		})
	}
}

// What a gateway answers in Vault's place says nothing of what Vault holds.
func TestOnlyVaultSaysThatASecretIsAbsent(t *testing.T) {
	t.Parallel()
	for _, version := range []int{1, 2} {
		for _, c := range []struct {
			status int
			body   string
			absent bool
		}{
			{404, `{"errors":[]}`, true},
			{404, `{}`, false},
			{404, ``, false},
			{404, `[]`, false},
			{404, `null`, false},
			{404, `{"message":"no Route matched with those values"}`, false},
			{404, `<html>not found</html>`, false},
			{200, `{}`, false},
			{200, ``, false},
			{200, `null`, false},
			{204, ``, false},
		} {
			gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "lookup-self") {
					_, _ = io.WriteString(w, `{"data":{"ttl":0,"renewable":false}}`)
					return
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer gateway.Close()
			config := NewConfig()
			config.Address, config.Path, config.KVVersion = gateway.URL, "x", version
			config.Auth.Token = tokenFile(t, "a-token")
			h, err := open(t, config).Read(t.Context(), "x")
			if absent := err == nil && h.Known && !h.Exists; absent != c.absent || !absent && err == nil {
				t.Errorf("KV version %d, %d %s: %+v, %v", version, c.status, c.body, h, err)
			}
		}
	}
}

// wrapped returns a wrapping token of a new secret id.
func wrapped(t *testing.T, server *vaulttest.Server, mount string) string {
	t.Helper()
	c := server.Client(t)
	c.SetWrappingLookupFunc(func(string, string) string { return "5m" })
	answer, err := c.Logical().Write("auth/"+mount+"/role/rotatord/secret-id", nil)
	if err != nil || answer.WrapInfo == nil {
		t.Fatalf("no wrapping token: %v", err)
	}
	return answer.WrapInfo.Token
}

func TestAWrappedSecretIDIsNamedAsSuchAndNotUsedUp(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFleet(t, server, func(f *fixture) { enable(t, f, "approle", "approle", useAppRole) })
	token := wrapped(t, server, "approle")
	save(t, f.config.Auth.AppRole.SecretID.File, token)
	errs := f.probe(t.Context())
	wantRefused(t, errs)
	wantFault(t, errs[0], fault.Permanent, fault.Unauthorized, "response-wrapped", "auth/approle/role/rotatord/secret-id", "vault unwrap")
	noLeakOf(t, errs[0], token)
	if n := f.gate.logins.Load(); n != 0 {
		t.Errorf("%d logins, which count against the role", n)
	}
	c := server.Client(t)
	c.SetToken(token)
	inside, err := c.Logical().Unwrap("")
	if err != nil {
		t.Fatalf("it was used up: %v", err)
	}
	_, err = open(t, f.config).Probe(t.Context(), f.target(), sinks.ProbeOptions{})
	wantFault(t, err, fault.Permanent, fault.Unauthorized, "form of a wrapping token", "unwrapped already or has expired")
	noLeakOf(t, err, token)
	save(t, f.config.Auth.AppRole.SecretID.File, inside.Data["secret_id"].(string))
	for _, err := range f.probe(t.Context()) {
		if err != nil {
			t.Errorf("with what was wrapped: %v", err)
		}
	}
}

func noLeakOf(t *testing.T, err error, value string) {
	t.Helper()
	if strings.Contains(fmt.Sprintf("%+v", err), value) {
		t.Errorf("the error shows the token")
	}
}

// A secret id may be any text that a person chose.
func TestASecretIDThatLooksLikeAWrappingTokenIsUsed(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFixture(t, server, nil)
	enable(t, f, "approle", "approle", useAppRole)
	id := "s." + strings.Repeat("a1", 12)
	server.Write(t, "auth/approle/role/rotatord/custom-secret-id", map[string]any{"secret_id": id})
	save(t, f.config.Auth.AppRole.SecretID.File, id)
	mustWrite(t, f.open(t), f.target(), 1)
}
