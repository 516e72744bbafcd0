package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"

	"github.com/rotatord/rotatord/internal/fault"
)

// withUsers has a handler behind a login of the users of a file.
func withUsers(t *testing.T, log *zap.Logger, failures *atomic.Int32) (*logins, http.Handler) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yml")
	writeFile(t, file, users())
	l := newLogins(must(openWebConfig(file, log)), log, func() { failures.Add(1) })
	return l, l.require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeText(w, http.StatusOK, authenticatedUser(r))
	}))
}

// tryLogin asks as a user from an address.
func tryLogin(ctx context.Context, h http.Handler, from, user, pass string) (status int, body string) {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = from
	if user != "" {
		r.SetBasicAuth(user, pass)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestAFailedLoginIsCountedAndLoggedAndItsAnswerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		var failures atomic.Int32
		_, h := withUsers(t, log.logger(), &failures)
		for _, tt := range []struct {
			user, pass string
			status     int
			waits      time.Duration
			failures   int32
		}{
			{"", "", 401, 0, 0}, // as a browser asks first
			{"ada", password, 200, 0, 0},
			{"ada", password + "x", 401, failedLoginDelay, 1},
			{"bob\n\x1b[2J{\"", password, 401, failedLoginDelay, 2},
		} {
			began := time.Now()
			status, body := tryLogin(t.Context(), h, "192.0.2.7:1", tt.user, tt.pass)
			if status != tt.status || time.Since(began) != tt.waits || failures.Load() != tt.failures {
				t.Errorf("%q: %d %q after %v with %d failures; want %+v", tt.user, status, body, time.Since(began), failures.Load(), tt)
			}
		}
		if text := log.String(); strings.Contains(text, password) || strings.ContainsAny(text, "\x1b") ||
			strings.Count(text, "failed login") != 2 || !strings.Contains(text, "192.0.2.7:1") || !strings.Contains(text, `"user":"ada"`) {
			t.Errorf("the log says %s", text)
		}
	})
}

func TestWhoGuessesKeepsNoRightPasswordOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures atomic.Int32
		l, h := withUsers(t, zap.NewNop(), &failures)
		l.delay = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		for i := range 64 {
			from := "192.0.2.7:" + string(rune('A'+i))
			for range 3 { // streams of one connection
				go tryLogin(ctx, h, from, "ada", "guess")
			}
		}
		synctest.Wait()
		if failures.Load() != 64 {
			t.Errorf("%d guesses were looked at, want one of each connection", failures.Load())
		}
		began := time.Now()
		if status, who := tryLogin(t.Context(), h, "192.0.2.7:1", "ada", password); status != 200 || who != "user ada" || time.Since(began) > 0 {
			t.Errorf("got %d %s after %v", status, who, time.Since(began))
		}
	})
}

func TestOnePasswordIsComparedAtATimeAndOneThatWasRightIsNotComparedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures atomic.Int32
		l, h := withUsers(t, zap.NewNop(), &failures)
		if status, _ := tryLogin(t.Context(), h, "192.0.2.7:1", "ada", password); status != 200 {
			t.Fatal(status)
		}
		busy, err := l.comparing.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := tryLogin(t.Context(), h, "192.0.2.8:1", "ada", password); status != 200 {
			t.Errorf("one that was right before: %d", status)
		}
		var guesses sync.WaitGroup
		for _, from := range []string{"192.0.2.7:2", "192.0.2.8:2", "192.0.2.9:2"} {
			guesses.Go(func() { tryLogin(t.Context(), h, from, "ada", "guess") })
		}
		synctest.Wait()
		if failures.Load() != 0 {
			t.Error("a password was compared while another was")
		}
		busy()
		guesses.Wait()
		if failures.Load() != 3 {
			t.Errorf("%d were refused", failures.Load())
		}
	})
}

func TestAProvedPasswordIsOneForItsUserAndHashAlone(t *testing.T) {
	p := newProvedPasswords()
	p.add("ada", "hash", "pass")
	for _, other := range [][3]string{{"ad", "ahash", "pass"}, {"ada", "hash2", "pass"}, {"ada", "hash", "Pass"}, {"ada", "hashp", "ass"}} {
		if p.has(other[0], other[1], other[2]) {
			t.Errorf("%v is proved", other)
		}
	}
	for range mostProved + 1 {
		p.add(string(must(bcrypt.GenerateFromPassword(nil, bcrypt.MinCost))), "", "")
	}
	if len(p.set) > mostProved {
		t.Errorf("%d are remembered", len(p.set))
	}
}

func TestAClientCertificateThatIsMissingOrStrangeIsAFailedLogin(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	a.issue(t, "server")
	var log logged
	var failures atomic.Int32
	o := options(newDaemon())
	o.Listen, o.Log, o.AuthFailed = "127.0.0.1:0", log.logger(), func() { failures.Add(1) }
	o.WebConfigFile = filepath.Join(a.dir, "web.yml")
	writeFile(t, o.WebConfigFile, "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem, "+
		"client_auth_type: RequireAndVerifyClientCert}\n")
	s := New(o)
	start(t, s)
	url := "https://" + s.Addr() + "/"
	for i, c := range []*http.Client{a.client(), a.client(stranger.issue(t, "ops"))} {
		if status, answer := call(t, c, "GET", url, "", ""); status != 0 {
			t.Errorf("got %d %s", status, answer)
		}
		eventually(t, func() bool { return int(failures.Load()) == i+1 })
	}
	if status, _ := call(t, a.client(a.issue(t, "ops")), "GET", url, "", ""); status != 200 || failures.Load() != 2 {
		t.Errorf("a good one: %d, %d failures", status, failures.Load())
	}
	if n := strings.Count(log.String(), "failed login"); n != 2 {
		t.Errorf("%d are logged: %s", n, log.String())
	}
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); wait(t.Context(), time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came about")
		}
	}
}

func TestHealthAsksForNoPasswordAndAllElseDoes(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	d := newDaemon()
	d.ready = fault.Newf(fault.Permanent, fault.Storage, "", "", "the disk is full")
	s := public(t, d, a.dir, "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"+
		"rate_limit: {interval: 1h, burst: 1}\nhttp_server_config: {headers: {X-Frame-Options: sameorigin}}\n"+users(), nil)
	for _, tt := range []struct {
		path   string
		status int
	}{{"/metrics", 401}, {"/-/healthy", 200}, {"/-/ready", 503}, {"/metrics", 429}, {"/-/healthy", 200}} {
		status, answer := call(t, a.client(), "GET", "https://"+s.Addr()+tt.path, "", "")
		if status != tt.status || !strings.Contains(answer, "X-Frame-Options:[sameorigin]") {
			t.Errorf("%s: %d %s, want %d with the file's header", tt.path, status, answer, tt.status)
		}
	}
}

// A proxy on this machine may keep the name that it was asked by.
func TestHealthByAnotherNameIsForWhoLogsIn(t *testing.T) {
	ask := func(s *Server, user, pass string) int {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/-/ready", http.NoBody))
		r.Host = "media.example"
		if user != "" {
			r.SetBasicAuth(user, pass)
		}
		resp := must(http.DefaultClient.Do(r))
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	asking, open := public(t, newDaemon(), t.TempDir(), users(), nil), public(t, newDaemon(), t.TempDir(), "", nil)
	asking.logins.delay = time.Millisecond
	got := []int{ask(asking, "ada", password), ask(asking, "ada", "wrong"), ask(asking, "", ""), ask(open, "ada", password)}
	if want := []int{200, 401, 403, 403}; !slices.Equal(got, want) {
		t.Errorf("logged in, with a wrong password, without, and where nobody can: %v, want %v", got, want)
	}
}

func TestChangesOverPlainHTTPGoOverLoopbackOnlyUnlessAProxyEndsTLS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	writeFile(t, file, users())
	for on, want := range map[listening]int{
		{loopback: true}: 202, {}: 403, {insecure: true}: 202, {loopback: true, insecure: true}: 202,
	} {
		d := newDaemon()
		s := New(options(d))
		h := s.publicHandler(on, must(openWebConfig(file, s.Log)))
		for method, status := range map[string]int{"POST": want, "GET": 200} {
			path := map[string]string{"POST": rotateIt, "GET": "/api/v1/slots"}[method]
			r := httptest.NewRequest(method, path, http.NoBody)
			r.SetBasicAuth("ada", password)
			r.Header.Set("X-Forwarded-Proto", "https")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != status || status == 403 && !strings.Contains(w.Body.String(), "server.insecure") {
				t.Errorf("%+v: %s is %d %s, want %d", on, method, w.Code, w.Body, status)
			}
		}
		if asked := d.lastAsked() != ""; asked != (want == 202) {
			t.Errorf("%+v: asked %q", on, d.lastAsked())
		}
	}
}
