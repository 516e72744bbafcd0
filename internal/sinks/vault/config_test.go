package vault

import (
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

var _ sinks.Spec = (*Config)(nil)

// valid is a configuration without diagnostics.
func valid() *Config {
	c := NewConfig()
	c.Address, c.Path = "https://vault.example:8200", "moq/{{.Relay}}/{{.Type}}"
	c.Auth.Token = &secret.Source{Env: "VAULT_TOKEN"}
	return c
}

func TestDiagnostics(t *testing.T) {
	source := secret.Source{File: "f"}
	for _, c := range []struct {
		name  string
		spoil func(*Config)
		keys  []string
	}{
		{"a full configuration", func(*Config) {}, nil},
		{"no address: the environment has it", func(c *Config) { c.Address = "" }, nil},
		{"slashes around the mount", func(c *Config) { c.Mount = "/team/kv/" }, nil},
		{"plain http on loopback", func(c *Config) { c.Address = "http://127.0.0.1:8200" }, nil},
		{"plain http on loopback, version 6", func(c *Config) { c.Address = "http://[::1]:8200" }, nil},
		{"plain http off loopback", func(c *Config) { c.Address = "http://vault.example" }, []string{"address"}},
		{"plain http that was allowed", func(c *Config) { c.Address, c.Insecure = "http://vault.example", true }, nil},
		{"a port that there is not", func(c *Config) { c.Address = "https://vault.example:82000" }, []string{"address"}},
		{"no scheme", func(c *Config) { c.Address = "vault.example:8200" }, []string{"address"}},
		{"a password in the address", func(c *Config) { c.Address = "https://me:pw@vault.example" }, []string{"address"}},
		{"a client certificate without TLS", func(c *Config) {
			c.Address, c.Auth = "http://localhost", Auth{Cert: &Cert{CertFile: "c", KeyFile: "k"}}
		}, []string{"address"}},
		{"hosts that redirects may point to", func(c *Config) {
			c.RedirectHosts = []string{"vault-1.example:8200", "vault-2", "10.0.0.1", "10.0.0.1:8200", "::1", "[::1]", "[::1]:8200"}
		}, nil},
		{"hosts that are none", func(c *Config) {
			c.RedirectHosts = []string{"", "https://vault", "vault/x", "*.example", "a:b@vault", "vault:", "vault:0", "vault:70000", "a b", "[::1"}
		}, []string{
			"redirect_hosts[0]", "redirect_hosts[1]", "redirect_hosts[2]", "redirect_hosts[3]", "redirect_hosts[4]",
			"redirect_hosts[5]", "redirect_hosts[6]", "redirect_hosts[7]", "redirect_hosts[8]", "redirect_hosts[9]",
		}},
		{"an empty mount", func(c *Config) { c.Mount = "/" }, []string{"mount"}},
		{"KV version 3", func(c *Config) { c.KVVersion = 3 }, []string{"kv_version"}},
		{"an unknown write mode", func(c *Config) { c.WriteMode = "append" }, []string{"write"}},
		{"no path", func(c *Config) { c.Path = "" }, []string{"path"}},
		{"a path that is no template", func(c *Config) { c.Path = "{{.Relay" }, []string{"path"}},
		{"a path with an unknown word", func(c *Config) { c.Path = "{{.Token}}" }, []string{"path"}},
		{"a path that climbs", func(c *Config) { c.Path = "../{{.Relay}}" }, []string{"path"}},
		{"a field with an unknown word", func(c *Config) {
			c.Fields = map[string]string{"a": "{{.Tokn}}", "token": "{{.Token}}"}
		}, []string{"fields.a"}},
		{"fields without the token", func(c *Config) { c.Fields = map[string]string{"a": "{{.Relay}}"} }, []string{"fields"}},
		{"no auth", func(c *Config) { c.Auth = Auth{} }, []string{"auth"}},
		{"two methods of auth", func(c *Config) { c.Auth.JWT = &JWT{Token: source} }, []string{"auth"}},
		{"a token from nowhere", func(c *Config) { c.Auth.Token = &secret.Source{} }, []string{"auth.token"}},
		{"a token in place of a variable's name", func(c *Config) { c.Auth.Token = &secret.Source{Env: "hvs.CAESIJlWh5Q9f0qV"} }, []string{"auth.token.env"}},
		{"a secret id in place of a variable's name", func(c *Config) {
			c.Auth = Auth{AppRole: &AppRole{RoleID: "r", SecretID: secret.Source{Env: "5f2b9c1e-7a4d-4e8b"}}}
		}, []string{"auth.approle.secret_id.env"}},
		{"an AppRole with nothing", func(c *Config) { c.Auth = Auth{AppRole: &AppRole{Mount: "a//b"}} },
			[]string{"auth.approle.role_id", "auth.approle.secret_id", "auth.approle.mount"}},
		{"Kubernetes without a role", func(c *Config) { c.Auth = Auth{Kubernetes: &Kubernetes{}} }, []string{"auth.kubernetes.role"}},
		{"Kubernetes with a role alone", func(c *Config) { c.Auth = Auth{Kubernetes: &Kubernetes{Role: "r"}} }, nil},
		{"JWT without a token", func(c *Config) { c.Auth = Auth{JWT: &JWT{}} }, []string{"auth.jwt.token"}},
		{"JWT with the mount's default role", func(c *Config) { c.Auth = Auth{JWT: &JWT{Token: source}} }, nil},
		{"a certificate without files", func(c *Config) { c.Auth = Auth{Cert: &Cert{}} },
			[]string{"auth.cert.cert_file", "auth.cert.key_file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := valid()
			c.spoil(config)
			var keys []string
			for _, p := range config.Diagnostics() {
				keys = append(keys, p.Key)
				if strings.Contains(p.Text+p.Hint, "pw") {
					t.Errorf("a diagnostic shows the address's password: %v", p)
				}
			}
			if !slices.Equal(keys, c.keys) {
				t.Errorf("diagnostics at %q, want %q: %v", keys, c.keys, config.Diagnostics())
			}
		})
	}
}

func TestLocate(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*Config)
		want  string
	}{
		{"address, mount and path", func(*Config) {}, "vault+https://vault.example:8200/secret/a/b"},
		{"case, default port and slashes make no difference", func(c *Config) { c.Address, c.Mount = "https://Vault.Example:443/", "secret/" },
			"vault+https://vault.example/secret/a/b"},
		{"a namespace", func(c *Config) { c.Namespace = "/team/x/" }, "vault+https://vault.example:8200/team/x/secret/a/b"},
		{"a path before Vault's own", func(c *Config) { c.Address += "/vault/" }, "vault+https://vault.example:8200/vault/secret/a/b"},
		{"the environment's address", func(c *Config) { c.Address = "" }, "vault://default-env/secret/a/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := valid()
			c.setup(config)
			if got, err := config.Locate("a/b"); got != c.want || err != nil {
				t.Errorf("Locate = %q, %v; want %q", got, err, c.want)
			}
		})
	}
	t.Run("different secrets are at different places", func(t *testing.T) {
		seen := map[string]string{}
		for _, target := range []string{"a/b", "a%2Fb", "a%zz", "a?b", "a#b", "a b", "a+b"} {
			at, err := valid().Locate(target)
			if other := seen[at]; err != nil || other != "" {
				t.Errorf("Locate(%q) = %q, %v, as %q", target, at, err, other)
			}
			seen[at] = target
		}
	})
	if _, err := valid().Locate("a//b"); err == nil {
		t.Error("Locate takes a path with an empty part")
	}
}

func TestRender(t *testing.T) {
	config := valid()
	config.Fields = map[string]string{"url": "https://x/{{.Token}}", "id": "{{.TokenID}}", "rotated": "{{.RotatedAt}}"}
	t.Setenv("VAULT_TOKEN", "hvs.x")
	s := open(t, config)
	defer func() { _ = s.Close() }()
	r := sinktest.Record(1)
	r.Token = secret.New(`a"<b>`)
	got, err := s.Render(r)
	want := `{"id":"0123456789abcdef0123456789abcde1","rotated":"2026-11-23T04:00:01Z","url":"https://x/a\"<b>"}`
	if err != nil || got.Reveal() != want {
		t.Errorf("Render = %s, %v; want %s", got.Reveal(), err, want)
	}
	r.Token = secret.Value{}
	_, err = s.Render(r)
	wantFault(t, err, fault.Permanent, fault.Invalid, "the token's value is empty")
}

func TestOpenReadsTheEnvironment(t *testing.T) {
	server := vaulttest.Start(t, vaulttest.TLS())
	record, seen := recorder(t, server.Address, server.CA)
	// What must not matter, and what must.
	for name, value := range map[string]string{
		"VAULT_TOKEN": "hvs.not-this-one", "VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_MAX_RETRIES": "9",
		"VAULT_SKIP_VERIFY": "true", "VAULT_HEADERS": `{"X-Other":"1"}`, "VAULT_PROXY_ADDR": "http://127.0.0.1:1",
		"VAULT_ADDR": record, "VAULT_CACERT": server.CA.File, "VAULT_NAMESPACE": "team-a",
	} {
		t.Setenv(name, value)
	}
	use := func(t *testing.T, c *Config) (http.Header, error) {
		t.Helper()
		s := open(t, c)
		defer func() { _ = s.Close() }()
		_, err := s.Read(t.Context(), "x")
		return seen(), err
	}

	t.Run("without an address, VAULT_ADDR, VAULT_NAMESPACE and VAULT_CACERT are honoured and nothing else", func(t *testing.T) {
		f := newFixture(t, server, func(c *Config) { c.Address, c.CAFile = "", "" })
		h, err := use(t, f.config)
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		token, _ := f.config.Auth.Token.Read(nil)
		if h.Get("X-Vault-Namespace") != "team-a" || h.Get("X-Other") != "" || h.Get("X-Vault-Token") != token.Reveal() {
			t.Errorf("headers are %v", slices.Sorted(maps.Keys(h)))
		}
	})
	t.Run("with an address, the configuration alone counts", func(t *testing.T) {
		f := newFixture(t, server, func(c *Config) { c.Address, c.Namespace = record, "/team-b/" })
		h, err := use(t, f.config)
		if err != nil || h.Get("X-Vault-Namespace") != "team-b" {
			t.Errorf("namespace %q, %v", h.Get("X-Vault-Namespace"), err)
		}
		f.config.Namespace = ""
		if h, err = use(t, f.config); err != nil || h.Get("X-Vault-Namespace") != "" {
			t.Errorf("namespace %q, want none (%v)", h.Get("X-Vault-Namespace"), err)
		}
		f.config.CAFile = ""
		_, err = use(t, f.config)
		wantFault(t, err, fault.Retry, fault.Unreachable, "unknown authority")
	})
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]struct {
		env    string
		spoil  func(*Config)
		reason fault.Reason
		says   string
	}{
		"no address anywhere":          {"", func(c *Config) { c.Address = "" }, fault.Invalid, "set VAULT_ADDR"},
		"an address that leaks tokens": {"http://vault.example", func(c *Config) { c.Address = "" }, fault.Invalid, "insecure: true"},
		"no CA file":                   {"", func(c *Config) { c.CAFile = "/nowhere/ca.pem" }, fault.Invalid, "/nowhere/ca.pem"},
		"a CA file without one":        {"", func(c *Config) { c.CAFile = "config_test.go" }, fault.Invalid, "no PEM certificate"},
		"no such variable": {"", func(c *Config) { c.Auth.Token = &secret.Source{Env: "ROTATORD_TEST_UNSET"} },
			fault.Unauthorized, "ROTATORD_TEST_UNSET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VAULT_ADDR", c.env)
			t.Setenv("VAULT_TOKEN", "hvs.x")
			config := valid()
			c.spoil(config)
			_, err := config.Open(t.Context(), sinks.OpenOptions{Name: "vault-prod", Env: secret.NewEnvironment(os.Environ())})
			wantFault(t, err, fault.Permanent, c.reason, "vault-prod", c.says)
		})
	}
}

// recorder passes requests on to a Vault, without the namespace that this Vault
// has not got, and remembers the headers of the last.
func recorder(t *testing.T, to string, ca *vaulttest.CA) (address string, last func() http.Header) {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen http.Header
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		mu.Lock()
		defer mu.Unlock()
		seen = r.In.Header.Clone()
		r.SetURL(target)
		r.Out.Header.Del("X-Vault-Namespace")
	}}
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.Transport = &http.Transport{TLSClientConfig: ca.TLS()}
	server := httptest.NewUnstartedServer(proxy)
	server.Config.ErrorLog = proxy.ErrorLog
	server.TLS = ca.ServerTLS(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, func() http.Header {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

func TestOfSeveralFieldsThatFailTheFirstByNameIsTold(t *testing.T) {
	c := NewConfig()
	c.Fields = map[string]string{"d": "{{.Nothing}}", "b": "{{.Nothing}}", "a": "{{.Token}}", "c": "{{.Nothing}}"}
	for range 20 {
		if _, err := c.Render(new(sinks.Templates), sampleRecord()); err == nil || !strings.Contains(err.Error(), "field b: ") {
			t.Fatal(err)
		}
	}
}
