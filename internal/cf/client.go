// Package cf is the only caller of Cloudflare: it creates, lists, revokes and
// rotates relay tokens within a request budget, and says of every mint that failed
// whether it may have been carried out.
//
// A call is one request. Nothing is repeated here, since a mint is not idempotent; but a create
// whose expiry was refused cannot have been carried out, and is sent with another one. What came
// of a request is kept as an exchange, and one table (meanings.go) says what it means. A Client is
// of one account; the accounts of one API token share a Budget, which holds calls back so that
// Cloudflare never has to: it learns from the headers of each answer, keeps a part for what is
// urgent, and lets a caller reserve a call before it looks at what the call depends on. By the way, each
// answer tells what Cloudflare's time is (Clock), and whether the account works (the Observer).
package cf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/cloudflare/cloudflare-go/v7/moq"
	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/transport"
)

const (
	callTimeout    = 30 * time.Second
	maxConnections = 128 // as many as a budget lets be under way, so that none is closed in between
)

// Options describe one account.
type Options struct {
	Account   string // its key in the configuration; for errors and metrics
	AccountID string // 32 hex digits
	APIURL    string // such as https://api.cloudflare.com/client/v4
	// Token returns the API token. It is called for every request, so that a token
	// which is replaced is used at once; its error should name the source.
	Token func() (secret.Value, error)
	// TokenHint says what to do when Token fails.
	TokenHint string
	// HTTP sends the requests; its redirect policy is not used, for none is followed.
	// nil: a client with a time limit of 30 s that keeps connections open.
	HTTP *http.Client
	// Connections bounds the connections of that client; 0: 128.
	Connections int
	// MayAct, unless it is nil, is asked before anything of a request leaves that client, as in transport.Options. Of a
	// mint that has begun to leave the rest follows, and its answer is read, whatever MayAct says by then.
	MayAct func() error
	// Budget is shared by the accounts that use the same API token. nil: unlimited.
	Budget *Budget
	// Observer may be nil.
	Observer Observer
	// Clock tells Cloudflare's time from the account's answers, those of an earlier client too. nil: one of its own.
	Clock *Clock
	// Warn, unless it is nil, is told what a person should know beside the errors. It does not block.
	Warn func(text string)
}

// Client calls Cloudflare for one account. Every error is a *fault.Error whose
// text names the account and the relay and keeps Cloudflare's own codes and
// messages, and never holds a token. Ambiguous is one of a mint that may have been
// carried out; where one is Permanent, nothing was changed; where one is Retry, the call may
// be repeated, carried out or not. Nothing is retried but a create whose expiry is
// refused. Calls wait for the budget in order of priority, and return when their context
// ends. An answer that came is never thrown away because the context ended meanwhile.
//
// A Client is safe for concurrent use.
type Client struct {
	account   string
	accountID string
	base      *url.URL
	apiToken  func() (secret.Value, error)
	tokenHint string
	http      *http.Client
	dialer    *dialer // of http; nil when that was given
	budget    *Budget
	observer  Observer
	unwatch   func()
	relays    *sdk.RelayService
	proof     proof
	clock     *Clock
	warn      func(text string)
	waiting   atomic.Int64 // calls that wait for their turn
}

// New checks o and builds the client; it sends nothing. An error is Permanent.
func New(o Options) (*Client, error) {
	base, err := o.baseURL()
	if err != nil {
		e := &fault.Error{Class: fault.Permanent, Reason: fault.Invalid, Op: "set up", Object: "account " + o.Account, Err: err}
		return nil, e.WithHint("check the account in the configuration")
	}
	c := &Client{
		account: o.Account, accountID: o.AccountID, base: base, apiToken: o.Token, tokenHint: o.TokenHint, budget: o.Budget, observer: o.Observer,
		clock: o.Clock, warn: o.Warn, relays: sdk.NewRelayService(option.WithBaseURL(base.String()), option.WithMaxRetries(0)),
	}
	if o.HTTP == nil {
		var sender *transport.Transport
		c.dialer, sender = o.newTransport()
		o.HTTP = &http.Client{Timeout: callTimeout, Transport: sender}
	}
	c.http = withBoundedAnswers(o.HTTP)
	if c.budget == nil {
		c.budget = NewBudget(0, 0, 1)
	}
	if c.observer == nil {
		c.observer = unobserved{}
	}
	if c.warn == nil {
		c.warn = func(string) {}
	}
	if c.clock == nil {
		begin := time.Now()
		c.clock = NewClock(func() time.Duration { return time.Since(begin) })
	}
	c.unwatch = c.budget.addWatcher(func(until time.Time) { c.observer.Blocked(c.account, until) })
	return c, nil
}

func (o Options) baseURL() (*url.URL, error) {
	if !moq.IsID(o.AccountID) {
		return nil, errors.New("account_id must be 32 hex digits in lower case")
	}
	if o.Token == nil {
		return nil, errors.New("no source of the API token is given")
	}
	u, err := url.Parse(strings.TrimRight(o.APIURL, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("api_url must be a plain https:// address")
	}
	return u, nil
}

// Close closes idle connections and stops reporting. No method is called after it.
func (c *Client) Close() {
	c.unwatch()
	c.http.CloseIdleConnections()
	if c.dialer != nil {
		c.dialer.dropAhead()
	}
}

// withBoundedAnswers copies hc: the API token goes to the configured address only, and answers are bounded.
func withBoundedAnswers(hc *http.Client) *http.Client {
	own := *hc
	if _, ok := hc.Transport.(*transport.Transport); !ok {
		own.Transport = transport.Bound(cmp.Or(hc.Transport, http.DefaultTransport), callTimeout)
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Reserve asks for one call's turn in the budget without making it. granted is
// called once, from a goroutine of its own, when the turn has come; the next
// Create or Rotate with Priority.Reserved set uses it up. cancel gives up the wait
// or hands an unused turn back; it is not to be called after the turn was used.
func (c *Client) Reserve(p moq.Priority, granted func()) (cancel func()) {
	c.waiting.Add(1)
	leave := sync.OnceFunc(func() { c.waiting.Add(-1) })
	giveUp := c.budget.Reserve(p, func() { leave(); granted() })
	return func() { leave(); giveUp() }
}

// Waiting is how many calls of the account wait for their turn.
func (c *Client) Waiting() int { return int(c.waiting.Load()) }

// acquire waits for the call's turn.
func (c *Client) acquire(ctx context.Context, p moq.Priority) error {
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	return c.budget.Acquire(ctx, p)
}

// OpensAt is when the budget lets the next call that waits through at the soonest; zero when none waits, or when
// only the end of another call can tell.
func (c *Client) OpensAt() time.Time { return c.budget.OpensAt() }

// sender builds a request, sends it through x and takes from the answer what the
// caller wants; problem says what the answer lacks. Both results count only when
// the answer itself is a success.
type sender func(x *exchange) (problem string, err error)

// sendOne sends one request, within the budget, and judges the answer.
func (c *Client) sendOne(ctx context.Context, p moq.Priority, k call, send sender) error {
	if err := k.checkArguments(); err != nil {
		c.budget.releaseReservation(p)
		return err
	}
	if err := c.acquire(ctx, p); err != nil {
		return c.notSent(k, err)
	}
	x := &exchange{ctx: ctx, http: c.http, now: c.clock.elapsed, toEnd: k.op.isMint()}
	defer func() { c.budget.Release(x.begun && x.trace.mayHaveLeft()) }()
	var err error
	if x.apiToken, err = c.readToken(); err != nil {
		c.observer.Up(c.account, false)
		return c.unreadableToken(k, err)
	}
	if err := ctx.Err(); err != nil {
		return c.notSent(k, err)
	}
	if p.Proven && !c.proof.stillHolds() {
		return c.unprovenError(k)
	}
	c.dialer.noteSent()
	problem, err := send(x)
	if err != nil { // the SDK's own is not looked at: what came is in x, and problem matters of a success alone
		problem = "the answer's result cannot be read"
	}
	c.reportAnswer(k.op, x)
	return c.concludeCall(k, x, problem)
}

func (c *Client) notSent(k call, err error) error {
	e := fault.NoAnswer(k.op.String(), c.objectOf(k), fmt.Errorf("waiting for the request budget: %w", err))
	e.Unsent = true
	return e
}

// concludeCall turns what came of a request into an error or nil, and tells proof, budget and metrics whether the
// account is up. To proof and budget one that forbids a call is down, since none would be carried out; to the metric it is
// up, since a 403 of Cloudflare's has accepted the API token.
func (c *Client) concludeCall(k call, x *exchange, problem string) error {
	e := c.classify(k, x, problem)
	if up, known := accountState(e); known && k.op != verifyAPIToken { // who may not ask for it may do all the rest
		c.proof.noteOutcome(e == nil, up)
		c.budget.noteAccountUp(up)
		c.observer.Up(c.account, up || e.Reason == fault.Forbidden)
	}
	if e == nil {
		return nil
	}
	return e
}

func (c *Client) reportAnswer(op operation, x *exchange) {
	if !x.begun {
		return
	}
	c.observer.Request(c.account, op.metricName(), x.statusLabel(), x.took)
	if x.header == nil {
		return
	}
	if p, ok := parsePolicy(x.header); ok {
		c.observer.RateLimitPolicy(c.account, p.quota)
	}
	if l, ok := parseLeft(x.header); ok {
		c.observer.RateLimit(c.account, l.requests)
	}
	c.noteTime(x)
	c.budget.Observe(x.header, x.statusForBudget())
}

func (c *Client) readToken() (secret.Value, error) {
	v, err := c.apiToken()
	if err != nil {
		return v, err
	}
	if v.IsEmpty() {
		return v, errors.New("the API token is empty")
	}
	if strings.ContainsFunc(v.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return v, errors.New("the API token holds white space or characters that no API token has")
	}
	return v, nil
}

func (c *Client) unreadableToken(k call, err error) error {
	e := &fault.Error{Class: fault.Retry, Reason: fault.Unauthorized, Op: k.op.String(), Object: c.objectOf(k), Err: err}
	return e.WithHint("%s", cmp.Or(c.tokenHint, "mend the account's api_token"))
}

func (c *Client) objectOf(k call) string {
	if k.op == verifyAPIToken {
		return "of account " + c.account
	}
	text := "relay " + k.relayID + " of account " + c.account
	if k.tokenID != "" {
		return k.tokenID + " of " + text
	}
	return "for " + text
}
