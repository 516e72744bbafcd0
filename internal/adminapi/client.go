package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

// ErrNoDaemon is in the chain of every error of a Client that could not
// connect: the command line exits with status 3 then.
var ErrNoDaemon = errors.New("no daemon answers")

// maxProblem bounds what is read of an answer that is no JSON problem.
const maxProblem = 4 << 10

// Error is a refusal or failure that the daemon reported.
type Error struct {
	Status int    // HTTP status
	Text   string // what the daemon said
}

// Error returns the daemon's own words.
func (e *Error) Error() string { return e.Text }

// Client talks to a daemon through its admin socket. It sets no time limit of
// its own: give each call a context. Safe for concurrent use.
type Client struct {
	socket Address
	http   *http.Client
}

// NewClient makes a client of the daemon whose admin socket is at socketPath.
// It connects at the first call.
func NewClient(socketPath string) *Client { return NewClientAt(Address{Path: socketPath}) }

// NewClientAt makes a client whose errors tell why it is this socket.
func NewClientAt(a Address) *Client {
	return &Client{socket: a, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return a.dial(ctx) },
	}}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Slots returns the status of every slot.
func (c *Client) Slots(ctx context.Context) ([]slot.Status, error) {
	all, err := c.Status(ctx)
	return all.Slots, err
}

// Status returns the status of every slot, and what a person should know beside.
func (c *Client) Status(ctx context.Context) (out SlotList, err error) {
	err = c.do(ctx, http.MethodGet, path("slots"), nil, &out)
	return out, err
}

// Ready is nil, or why the daemon is not ready: what /-/ready says.
func (c *Client) Ready(ctx context.Context) error {
	return c.do(ctx, http.MethodGet, "/-/ready", nil, nil)
}

// Slot returns the status of one slot.
func (c *Client) Slot(ctx context.Context, relay, typ string) (slot.Status, error) {
	var out slot.Status
	err := c.do(ctx, http.MethodGet, path("slots", relay, typ), nil, &out)
	return out, err
}

// Rotate asks for a rotation. It returns as soon as the request is durable,
// with the slot's status at that moment.
func (c *Client) Rotate(ctx context.Context, relay, typ string, compromised bool) (slot.Status, error) {
	var out slot.Status
	err := c.do(ctx, http.MethodPost, path("slots", relay, typ, "rotate"), RotateRequest{compromised}, &out)
	return out, err
}

// History returns the newest events first, of one slot (relay/type), of one
// relay, or of all when slot is empty. With limit 0 the daemon chooses.
func (c *Client) History(ctx context.Context, slot string, limit int) ([]slot.Event, error) {
	q := url.Values{}
	if slot != "" {
		q.Set("slot", slot)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var out EventList
	err := c.do(ctx, http.MethodGet, path("history")+"?"+q.Encode(), nil, &out)
	return out.Events, err
}

// Tokens lists what a relay holds.
func (c *Client) Tokens(ctx context.Context, relay string) ([]Token, error) {
	var out TokenList
	err := c.do(ctx, http.MethodGet, path("tokens", relay), nil, &out)
	return out.Tokens, err
}

// Prune revokes the former tokens of this installation that no configured target holds: of all, or of those with the
// given ids, which it returns, kept ones too. With dryRun it only lists them, and says which it would revoke.
func (c *Client) Prune(ctx context.Context, relay string, ids []string, dryRun bool) ([]Token, error) {
	var out TokenList
	err := c.do(ctx, http.MethodPost, path("tokens", relay, "prune"), PruneRequest{DryRun: dryRun, TokenIDs: ids}, &out)
	return out.Tokens, err
}

// Forecast lists when each slot will run within the given time from now.
func (c *Client) Forecast(ctx context.Context, within time.Duration) ([]Run, error) {
	var out RunList
	err := c.do(ctx, http.MethodGet, path("plan")+"?for="+url.QueryEscape(within.String()), nil, &out)
	return out.Runs, err
}

// Reload has the daemon read its configuration again. An *Error says what is wrong with it; then nothing has changed.
func (c *Client) Reload(ctx context.Context) (out ReloadResult, err error) {
	err = c.do(ctx, http.MethodPost, "/-/reload", nil, &out)
	return out, err
}

func path(segments ...string) string {
	var b strings.Builder
	b.WriteString("/api/v1")
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// do sends in, if any, as JSON and decodes the answer into out, if any.
func (c *Client) do(ctx context.Context, method, target string, in, out any) error {
	req, err := newRequest(ctx, method, target, in)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		return problem(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the daemon's answer to %s %s: %w", method, target, err)
	}
	return nil
}

func newRequest(ctx context.Context, method, target string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://rotatord"+target, body)
	if err == nil && in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

func problem(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return fmt.Errorf("the daemon answered %s, and then: %w", resp.Status, err)
	}
	var p Problem
	if json.Unmarshal(b, &p) != nil || p.Error == "" {
		p.Error = strings.TrimSpace(string(b))
	}
	if p.Error == "" {
		p.Error = "the daemon answered " + resp.Status
	}
	return &Error{Status: resp.StatusCode, Text: p.Error}
}
