package vault

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

func wantAlive(t *testing.T, server *vaulttest.Server, mount string, want int) {
	t.Helper()
	vaulttest.Eventually(t, 2*ttl, func() error {
		if n := server.Logins(t, mount); n != want {
			return fmt.Errorf("%d logins live, want %d", n, want)
		}
		return nil
	})
}

func TestLoginsAreGivenBack(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())
	for name, setup := range methods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, server, nil)
			enable(t, f, name, name, setup)
			s := open(t, f.config)
			mustWrite(t, s, f.target(), 1)
			if n := server.Logins(t, name); n != 1 {
				t.Fatalf("%d logins live: the test cannot fail", n)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if n := server.Logins(t, name); n != 0 {
				t.Errorf("%d logins live after Close", n)
			}
		})
	}
	t.Run("a token that was given is not", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		s := open(t, f.config)
		mustWrite(t, s, f.target(), 1)
		token := heldToken(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := server.Client(t).Auth().Token().Lookup(token.Reveal()); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	})
	t.Run("a token that an agent puts in its place is not", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		enable(t, f, "approle", "agent", useAppRole)
		agents := server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}})
		to, err := url.Parse(server.Address)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(to)
		proxy.Transport = server.Client(t).CloneConfig().HttpClient.Transport
		agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/login") {
				r.Header.Set("X-Vault-Token", agents)
			}
			proxy.ServeHTTP(w, r)
		}))
		defer agent.Close()
		f.config.Address = agent.URL
		s := open(t, f.config)
		mustWrite(t, s, f.target(), 1)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := server.Client(t).Auth().Token().Lookup(agents); err != nil {
			t.Errorf("the agent's token is gone: %v", err)
		}
	})
	t.Run("a batch token cannot be, and that is no trouble", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		enable(t, f, "approle", "batch", useAppRole)
		server.Write(t, "auth/batch/role/rotatord", map[string]any{"token_type": "batch"})
		s := open(t, f.config)
		mustWrite(t, s, f.target(), 1)
		if len(s.session.owned) > 0 {
			t.Error("it is to be given back")
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestALoginThatIsReplacedIsGivenBackWhenNoCallNeedsItAnyMore(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFixture(t, server, nil)
	enable(t, f, "approle", "approle", useAppRole)
	server.Write(t, "auth/approle/role/rotatord", map[string]any{"token_ttl": "1h"})
	s, target := f.open(t), f.target()
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := make(chan error)
	go func() {
		slow <- s.session.withClient(t.Context(), func(ctx context.Context, c *api.Client) error {
			once.Do(func() { close(entered) })
			<-leave
			_, err := c.Auth().Token().LookupSelfWithContext(ctx)
			return err
		})
	}()
	<-entered
	s.session.forgetLogin(s.session.usableLogin())
	mustWrite(t, s, target, 1)
	if n := server.Logins(t, "approle"); n != 2 {
		t.Errorf("%d logins live while a call uses the older", n)
	}
	close(leave)
	if err := <-slow; err != nil {
		t.Errorf("the call: %v", err)
	}
	wantAlive(t, server, "approle", 1)
	mustWrite(t, s, target, 2)
}

// clock is a Vault in a bubble: it logs in, and does with renewals as it is told.
type clock struct {
	mu       sync.Mutex
	ttl      int
	answer   func() (status int, body string)
	asks     string // Retry-After
	renewals []time.Time
	logins   int
}

func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, body := http.StatusNoContent, ""
	switch {
	case strings.HasSuffix(r.URL.Path, "/login"):
		c.logins++
		status, body = 200, fmt.Sprintf(`{"auth":{"client_token":"t%d","lease_duration":%d,"renewable":true}}`, c.logins, c.ttl)
	case strings.HasSuffix(r.URL.Path, "/lookup-self"):
		status, body = 200, fmt.Sprintf(`{"data":{"ttl":%d,"renewable":true}}`, c.ttl)
	case strings.HasSuffix(r.URL.Path, "/renew-self"):
		c.renewals = append(c.renewals, time.Now())
		if status, body = c.answer(); len(c.renewals) > 5000 {
			status, body = 403, `{"errors":["there is no end of it"]}`
		}
	}
	header := http.Header{}
	if c.asks != "" {
		header.Set("Retry-After", c.asks)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: header, Request: r}, nil
}

func (c *clock) renewed() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.renewals)
}

func (c *clock) loggedIn() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.logins
}

func (c *clock) session(t *testing.T) (s *session) {
	t.Helper()
	return c.sessionOf(chosen{"approle", &AppRole{RoleID: "role", SecretID: *tokenFile(t, echoedID)}})
}

func (c *clock) sessionOf(m chosen) (s *session) {
	s = newSession(m, "vault", sinks.OpenOptions{Logins: sinks.NewLogins()}, func(v secret.Value) (*api.Client, error) {
		return endpoint{address: "http://vault.test", http: &http.Client{Transport: tied{c, s.life}}}.newClient(v)
	})
	return s
}

// pass lets time pass in a bubble.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	sleepUntil(t.Context(), time.Now().Add(d))
}

// A renewal that fails is repeated with a pause, and a new login comes before the token's end.
func TestARenewalThatFailsIsNotRepeatedWithoutAPause(t *testing.T) {
	for _, ttl := range []int{2, 3, 12, 15, 30, 60, 3600, 32 * 24 * 3600} {
		t.Run(fmt.Sprint(ttl), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &clock{ttl: ttl, answer: func() (int, string) { return 503, `{"errors":["Vault is sealed"]}` }}
				s := c.session(t)
				defer s.close()
				const logins = 4
				for began := time.Now(); c.loggedIn() < logins; {
					l, err := s.login(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					end := time.Now().Add(time.Duration(ttl) * time.Second)
					for s.usableLogin() == l {
						pass(t, time.Duration(ttl)*time.Second/100)
					}
					if !time.Now().Before(end) {
						t.Errorf("after %s: the login was held to its end", time.Since(began))
					}
				}
				if n, most := len(c.renewed()), logins*min(40, 2+ttl/3); n == 0 && ttl > 3 || n > most {
					t.Errorf("%d renewals in %d logins, at most %d", n, logins, most)
				}
				for i := 1; i < len(c.renewed()); i++ {
					if pause := c.renewed()[i].Sub(c.renewed()[i-1]); pause < renewPause {
						t.Errorf("a renewal %s after the one before", pause)
					}
				}
			})
		})
	}
}

// There is no other login than a given token: it is renewed as soon as Vault is back, to the last second.
func TestAGivenTokenIsRenewedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := &clock{ttl: 600}
		c.answer = func() (int, string) {
			if time.Since(began) < 585*time.Second {
				return 503, `{"errors":["Vault is sealed"]}`
			}
			return 200, `{"auth":{"client_token":"given","lease_duration":600,"renewable":true}}`
		}
		s := c.sessionOf(chosen{"token", &static{*tokenFile(t, "given")}})
		defer s.close()
		l, err := s.login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pass(t, 900*time.Second)
		synctest.Wait()
		if s.usableLogin() != l {
			t.Error("the token was given up")
		}
	})
}

func TestAWaitThatVaultAsksOfARenewalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{ttl: 600, asks: "100", answer: func() (int, string) { return 429, `{"errors":["rate limit quota exceeded"]}` }}
		s := c.session(t)
		defer s.close()
		if _, err := s.login(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(t, 9*time.Minute)
		synctest.Wait()
		if n := len(c.renewed()); n == 0 || n > 2 {
			t.Errorf("%d renewals though each is asked to wait for 100 s", n)
		}
	})
}

func TestARenewalThatVaultRefusesIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{ttl: 600, answer: func() (int, string) { return 403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}` }}
		s := c.session(t)
		defer s.close()
		l, err := s.login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pass(t, 530*time.Second)
		if s.usableLogin() == l && len(c.renewed()) != 1 {
			t.Errorf("%d renewals", len(c.renewed()))
		}
		pass(t, 15*time.Second)
		synctest.Wait()
		if s.usableLogin() != nil || len(c.renewed()) != 1 {
			t.Errorf("%d renewals; held on: %t", len(c.renewed()), s.usableLogin() != nil)
		}
	})
}

func TestARenewedTokenIsHeldUntilItsMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most := time.Now().Add(time.Hour)
		c := &clock{ttl: 600}
		c.answer = func() (int, string) {
			left := min(600, int(time.Until(most)/time.Second))
			return 200, fmt.Sprintf(`{"auth":{"client_token":"t1","lease_duration":%d,"renewable":true}}`, left)
		}
		s := c.session(t)
		defer s.close()
		l, err := s.login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for s.usableLogin() == l {
			pass(t, time.Second)
		}
		if left := time.Until(most); left <= 0 || left > 150*time.Second {
			t.Errorf("a new login is due %s before the maximum", left)
		}
		if n := len(c.renewed()); n < 7 || n > 14 {
			t.Errorf("%d renewals in an hour of ten minutes each", n)
		}
	})
}

// A lease that no duration holds would end before it began, and each call log in anew.
func TestALeaseOfMoreThanThereCanBeIsALongOne(t *testing.T) {
	for _, seconds := range []int{math.MaxInt, math.MaxInt64 / int(time.Second), leaseMost + 1} {
		if ttl := newLease(&api.SecretAuth{LeaseDuration: seconds}).ttl; ttl != leaseMost*time.Second {
			t.Errorf("%d s are %s", seconds, ttl)
		}
	}
}
