package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// Statuses that this Vault cannot be brought to answer with, among others.
func TestEachStatusIsClassed(t *testing.T) {
	for _, c := range []struct {
		status int
		class  fault.Class
		reason fault.Reason
	}{
		{400, fault.Permanent, fault.Invalid},
		{403, fault.Permanent, fault.Forbidden},
		{404, fault.Permanent, fault.NotFound},
		{405, fault.Permanent, fault.Invalid},
		{412, fault.Retry, fault.ServerError},
		{413, fault.Permanent, fault.Invalid},
		{418, fault.Permanent, fault.BadAnswer},
		{429, fault.Retry, fault.RateLimited},
		{472, fault.Retry, fault.ServerError},
		{473, fault.Retry, fault.ServerError},
		{500, fault.Retry, fault.ServerError},
		{502, fault.Retry, fault.ServerError},
		{503, fault.Retry, fault.ServerError},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			answer := &api.ResponseError{
				HTTPMethod: "PUT", URL: "https://vault.example/base/v1/secret/data/x", StatusCode: c.status,
				Errors: []string{"2 errors occurred:\n\t* one thing\n", "another"},
			}
			err := toFault("write", "secret/x", fmt.Errorf("wrapped: %w", answer))
			wantFault(t, err, c.class, c.reason, "write secret/x: PUT secret/data/x answers",
				fmt.Sprint(c.status), "one thing", "another")
			if strings.ContainsAny(err.Error(), "\n\t") {
				t.Errorf("the error has more than one line: %q", err)
			}
		})
	}
}

func TestSilenceIsClassed(t *testing.T) {
	for reason, err := range map[fault.Reason]error{
		fault.Canceled:  context.Canceled,
		fault.Timeout:   context.DeadlineExceeded,
		fault.BadAnswer: errors.New("invalid character '<' looking for beginning of value"),
	} {
		wantFault(t, toFault("read", "secret/x", err), fault.Retry, reason, "read secret/x")
	}
}

func TestARateLimitQuotaIsToldFromOtherFailures(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFixture(t, server, nil)
	s, target := f.open(t), f.target()
	mustWrite(t, s, target, 1)
	server.Write(t, "sys/quotas/rate-limit/q", map[string]any{"rate": 1, "interval": "60s", "path": "secret/"})
	server.Write(t, "sys/quotas/config", map[string]any{"enable_rate_limit_response_headers": true})
	var err error
	vaulttest.Eventually(t, ttl, func() error {
		if err = s.Write(t.Context(), target, content(t, s, 2), sinks.WriteOptions{}); err == nil {
			return errors.New("not limited yet")
		}
		return nil
	})
	wantFault(t, err, fault.Retry, fault.RateLimited, "quota")
	if f := fault.Of(err); f.After <= 0 {
		t.Errorf("the error does not say when to try again: %v", f.After)
	}
}

func TestARetryAfterOfAnyFormIsHandedOn(t *testing.T) {
	t.Parallel()
	for _, asked := range []string{"2147483647", "99999999999999999999", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)} {
		busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", asked)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		defer busy.Close()
		c := NewConfig()
		c.Address, c.Path, c.Auth.Token = busy.URL, "moq", tokenFile(t, "a-token")
		_, err := open(t, c).Probe(t.Context(), "moq", sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Retry, fault.ServerError, "answers 503")
		if f := fault.Of(err); f.After < 59*time.Minute {
			t.Errorf("Retry-After: %s is read as %s", asked, f.After)
		}
	}
}

// A proxy in front of Vault may answer anything, and echo what it was sent.
func TestNoEchoReachesAnError(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := newFixture(t, server, nil)
	canary := sinktest.Record(1).Token.Reveal()
	for name, echo := range map[string]string{
		"a page": "<html>%s</html>", "errors like Vault's": `{"errors":["cannot store %s"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var sent bool
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadGateway)
				sent = true
				_, _ = fmt.Fprintf(w, echo, canary)
			}))
			defer proxy.Close()
			s := f.open(t)
			if err := s.session.withClient(t.Context(), func(context.Context, *api.Client) error { return nil }); err != nil {
				t.Fatal(err)
			}
			elsewhere, err := endpoint{address: proxy.URL, http: http.DefaultClient}.newClient(heldToken(t, s))
			if err != nil {
				t.Fatal(err)
			}
			s.session.held.client = elsewhere
			err = sinks.Decorate("vault-prod", Type, s, 0, nil).Write(t.Context(), "x", content(t, s, 1), sinks.WriteOptions{})
			wantFault(t, err, fault.Retry, fault.ServerError, "answers 502")
			if !sent {
				t.Fatal("the proxy did not answer: the test cannot fail")
			}
			sinktest.NoLeak(t, err, canary)
			sinktest.NoLeak(t, err, heldToken(t, s).Reveal())
		})
	}
}
