package vault

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// witness notes all that it is sent, and passes on to next what it does not redirect.
type witness struct {
	*httptest.Server
	next     http.Handler
	redirect func(r *http.Request) (status int, to string) // 0: none

	mu   sync.Mutex
	seen bytes.Buffer
}

func newWitness(t *testing.T, start func(http.Handler) *httptest.Server, behind string) *witness {
	t.Helper()
	to, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{
		next: &httputil.ReverseProxy{
			Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to) },
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		},
		redirect: func(*http.Request) (int, string) { return 0, "" },
	}
	w.Server = start(w)
	t.Cleanup(w.Close)
	return w
}

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	_, _ = fmt.Fprintln(&w.seen, r.Method, r.URL, r.Header, string(body))
	w.mu.Unlock()
	if status, to := w.redirect(r); status != 0 {
		http.Redirect(out, r, to, status)
		return
	}
	w.next.ServeHTTP(out, r)
}

func (w *witness) sawAny(words ...string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(words, func(s string) bool { return strings.Contains(w.seen.String(), s) })
}

// always redirects everything to the same path at.
func always(status int, at string) func(*http.Request) (int, string) {
	return func(r *http.Request) (int, string) { return status, at + r.URL.Path }
}

// once redirects what was not redirected yet, at its own server.
func once(status int) func(*http.Request) (int, string) {
	return func(r *http.Request) (int, string) {
		if r.URL.Query().Has("again") {
			return 0, ""
		}
		return status, r.URL.Path + "?again"
	}
}

// The AppRole's secret id, the Vault token and the relay's token are all on the way.
func TestARedirectOfVaultIsFollowedOnceAndOnlyToWhereTheConfigurationAllows(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	for i, c := range []struct {
		name     string
		redirect func(front, other *witness) func(*http.Request) (int, string)
		hosts    func(other hostPort) []string
		words    []string // of the error; none: it is followed
	}{
		{"307 to the same host", func(_, _ *witness) func(*http.Request) (int, string) { return once(307) }, nil, nil},
		{"308 to the same host", func(_, _ *witness) func(*http.Request) (int, string) { return once(308) }, nil, nil},
		{"307 to an allowed host and port", toOther(307), hostAndPort, nil},
		{"308 to an allowed host", toOther(308), hostAlone, nil},
		{"307 to a host that nobody allowed", toOther(307), nil, []string{"answers 307 and points to http://127.0.0.1:", "redirect_hosts"}},
		{"308 to another port", toOther(308), func(hostPort) []string { return []string{"127.0.0.1:1"} }, []string{"redirect_hosts"}},
		{"301 to an allowed host", toOther(301), hostAndPort, []string{"only a 307 or 308"}},
		{"302 to an allowed host", toOther(302), hostAndPort, []string{"only a 307 or 308"}},
		{"303 to the same host", func(_, _ *witness) func(*http.Request) (int, string) { return once(303) }, nil, []string{"only a 307 or 308"}},
		{"307 in a circle", func(front, _ *witness) func(*http.Request) (int, string) { return always(307, front.URL) }, nil, []string{"had been redirected"}},
		{"307 without a place", func(_, _ *witness) func(*http.Request) (int, string) {
			return func(*http.Request) (int, string) { return 307, "http://%zz" }
		}, nil, []string{"307"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, server, nil)
			enable(t, f, "approle", fmt.Sprintf("redirect%d", i), useAppRole)
			front, other := newWitness(t, httptest.NewServer, server.Address), newWitness(t, httptest.NewServer, server.Address)
			front.redirect = c.redirect(front, other)
			f.config.Address = front.URL
			if c.hosts != nil {
				u, _ := url.Parse(other.URL)
				f.config.RedirectHosts = c.hosts(hostPortOf(u))
			}
			s, target := f.open(t), f.target()
			err := s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
			followed := len(c.words) == 0
			if followed {
				if _, exists := f.peek(t, target); err != nil || !exists {
					t.Fatalf("Write = %v, and the secret exists: %t", err, exists)
				}
				return
			}
			class := fault.Permanent
			if strings.Contains(c.name, "circle") {
				class = fault.Retry
			}
			wantFault(t, err, class, fault.BadAnswer, c.words...)
			sinktest.NoLeak(t, err, credential(t, f.config.Auth))
			if !front.sawAny(credential(t, f.config.Auth)) {
				t.Fatal("the front saw no secret id: the test cannot fail")
			}
			if other.sawAny(credential(t, f.config.Auth), "PUT") {
				t.Error("something went to the other host")
			}
		})
	}
}

func toOther(status int) func(front, other *witness) func(*http.Request) (int, string) {
	return func(_, other *witness) func(*http.Request) (int, string) { return always(status, other.URL) }
}

func hostAndPort(p hostPort) []string { return []string{p.host + ":" + p.port} }
func hostAlone(p hostPort) []string   { return []string{"vault.example:8200", p.host} }

// A second redirect, or an end of TLS, is refused after the login too, when it is the
// relay's token that is on its way.
func TestNoRedirectedWriteCountsAsOne(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	secure := newWitness(t, httptest.NewTLSServer, server.Address)
	plain := newWitness(t, httptest.NewServer, server.Address)
	f := newFixture(t, server, nil)
	f.config.Address, f.config.CAFile = secure.URL, filepath.Join(t.TempDir(), "ca.pem")
	save(t, f.config.CAFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	f.config.RedirectHosts = []string{"127.0.0.1"}
	s, target := f.open(t), f.target()
	mustWrite(t, s, target, 1)
	before, _ := f.peek(t, target)
	for _, c := range []struct {
		at   string
		want string
	}{{plain.URL, "leaves https"}, {secure.URL, "had been redirected"}} {
		for _, status := range []int{307, 308} {
			secure.redirect = func(r *http.Request) (int, string) {
				if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/data/") {
					return 0, ""
				}
				return status, c.at + r.URL.Path
			}
			err := s.Write(t.Context(), target, content(t, s, 2), sinks.WriteOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d to %s: %v, want an error that says %q", status, c.at, err, c.want)
			}
			sinktest.NoLeak(t, err, sinktest.Canary)
		}
	}
	if now, _ := f.peek(t, target); now != before {
		t.Error("the secret was changed")
	}
	if plain.sawAny("PUT", "GET") || !secure.sawAny("PUT") {
		t.Error("something was sent in clear, or nothing at all")
	}
}

func TestWhereARedirectMayPointTo(t *testing.T) {
	for _, c := range []struct {
		from, to string
		hosts    []string
		insecure bool
		follow   bool
	}{
		{from: "https://vault:8200", to: "https://vault:8200", follow: true},
		{from: "https://vault:8200", to: "https://VAULT.:8200", follow: true},
		{from: "https://vault", to: "https://vault:443", follow: true},
		{from: "https://vault:8200", to: "https://vault", follow: false},
		{from: "https://vault:8200", to: "https://vault.evil:8200", follow: false},
		{from: "https://vault:8200", to: "http://vault:8200", hosts: []string{"vault"}, insecure: true, follow: false},
		{from: "http://127.0.0.1:8200", to: "https://127.0.0.1:8200", follow: true},
		{from: "http://127.0.0.1:8200", to: "http://vault:8200", hosts: []string{"vault"}, follow: false},
		{from: "http://127.0.0.1:8200", to: "http://vault:8200", hosts: []string{"vault"}, insecure: true, follow: true},
		{from: "https://vault:8200", to: "https://v1:8200", hosts: []string{"v2:8200", "V1:8200"}, follow: true},
		{from: "https://vault:8200", to: "https://v1:8201", hosts: []string{"v1:8200"}, follow: false},
		{from: "https://vault:8200", to: "https://v1", hosts: []string{"v1:443"}, follow: true},
		{from: "https://vault:8200", to: "https://[::1]:9", hosts: []string{"::1"}, follow: true},
		{from: "https://vault:8200", to: "https://[0:0::1]:9", hosts: []string{"[::1]:9"}, follow: true},
		{from: "https://vault:8200", to: "ftp://v1:8200", hosts: []string{"v1"}, follow: false},
	} {
		from, errF := url.Parse(c.from)
		to, errT := url.Parse(c.to)
		if errF != nil || errT != nil {
			t.Fatal(errF, errT)
		}
		config := &Config{RedirectHosts: c.hosts}
		config.Insecure = c.insecure
		if why := config.refuseRedirect(from, to); (why == "") != c.follow {
			t.Errorf("from %s to %s, %q: %q; want followed: %t", c.from, c.to, c.hosts, why, c.follow)
		}
	}
}
