package cf_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/secret"
)

var _ rotation.Cloudflare = (*cf.Client)(nil)

const (
	accountID = "023e105f4ecef8ad9ca31a8372d0c353"
	relayID   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	tokenID   = "00000000000000000000000000000001"
	apiToken  = "api-token-0123456789"
)

func routine() moq.Priority { return moq.Priority{Urgency: moq.Routine} }

// newSim is a Cloudflare with one account, one relay and one API token.
func newSim(o cfsim.Options) *cfsim.Sim {
	sim := cfsim.New(o)
	sim.AddAccount(accountID, cfsim.Both)
	sim.AddAPIToken(apiToken, cfsim.Edit, accountID)
	sim.AddRelay(accountID, relayID, "live-main")
	return sim
}

// newClient calls through rt, with what change makes of the usual options.
func newClient(t *testing.T, rt http.RoundTripper, change ...func(*cf.Options)) *cf.Client {
	t.Helper()
	o := cf.Options{
		Account: "main", AccountID: accountID, APIURL: cfsim.BaseURL,
		Token: func() (secret.Value, error) { return secret.New(apiToken), nil },
		HTTP:  &http.Client{Transport: rt, Timeout: 30 * time.Second},
	}
	for _, f := range change {
		f(&o)
	}
	c, err := cf.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// operation is one of the client's calls, with nothing but its error.
type operation struct {
	name  string
	op    cfsim.Op
	mints bool
	run   func(t *testing.T, c *cf.Client) error
}

var operations = []operation{
	{"create", cfsim.Create, true, func(t *testing.T, c *cf.Client) error {
		_, err := c.Create(t.Context(), routine(), relayID, moq.NewToken{Operations: moq.Subscribe.Operations()})
		return err
	}},
	{"list", cfsim.List, false, func(t *testing.T, c *cf.Client) error {
		_, err := c.List(t.Context(), routine(), relayID)
		return err
	}},
	{"revoke", cfsim.Revoke, false, func(t *testing.T, c *cf.Client) error {
		return c.Revoke(t.Context(), routine(), relayID, tokenID)
	}},
	{"rotate", cfsim.Rotate, true, func(t *testing.T, c *cf.Client) error {
		_, err := c.Rotate(t.Context(), routine(), relayID, moq.Subscribe)
		return err
	}},
	{"relay", cfsim.GetRelay, false, func(t *testing.T, c *cf.Client) error {
		_, err := c.Relay(t.Context(), routine(), relayID)
		return err
	}},
}

// wantFault checks that err is a *fault.Error of this class and reason.
func wantFault(t *testing.T, err error, class fault.Class, reason fault.Reason) {
	t.Helper()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("got error %v (%T), want a *fault.Error", err, err)
	}
	if e.Class != class || e.Reason != reason {
		t.Errorf("got %s/%s, want %s/%s: %v", e.Class, e.Reason, class, reason, e)
	}
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error does not say %q: %v", p, err)
		}
	}
}

// watcher writes down what it observes.
type watcher struct {
	mu    sync.Mutex
	lines []string
}

func (w *watcher) add(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *watcher) Request(account, operation, code string, took time.Duration) {
	w.add("%s %s %s %s", account, operation, code, took)
}
func (w *watcher) RateLimitPolicy(account string, limit int) { w.add("%s %d allowed", account, limit) }
func (w *watcher) RateLimit(account string, remaining int)   { w.add("%s %d left", account, remaining) }
func (w *watcher) Up(account string, up bool)                { w.add("%s up %t", account, up) }
func (w *watcher) Blocked(account string, until time.Time) {
	if until.IsZero() {
		w.add("%s not blocked", account)
		return
	}
	w.add("%s blocked for %s", account, time.Until(until).Round(time.Second))
}

// seen returns what was observed since the last call.
func (w *watcher) seen() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.lines, "\n")
	w.lines = nil
	return text
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
