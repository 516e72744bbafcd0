package cf

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/redact"
)

// Cloudflare's codes that say more than the HTTP status does.
const (
	codeNoRelay = "21007"
	codeFull    = "21009"

	codeNoPermission = "10000" // sent with status 403, by way of "Authentication error"
	codeBadExpiry    = "21012" // by Cloudflare's clock past, or more than a year away

	codeBadHeaders       = "6003" // sent with status 400
	codeBadAuthorization = "6111"
)

// judge turns what came of a request into an error, or nil when the answer is in order.
func (c *Client) judge(k call, x *exchange, problem string) *fault.Error {
	switch {
	case !x.begun:
		return c.fault(k, fault.Permanent, fault.Internal, errors.New("the request could not be built"))
	case x.status == 0:
		return c.unanswered(k, x)
	case x.err != nil && !x.throttled():
		return c.cutShort(k, x)
	case x.succeeded() && problem == "":
		return nil
	case x.succeeded():
		return c.fault(k, k.op.unsure(), fault.BadAnswer, fmt.Errorf("%d: %s", x.status, problem))
	}
	return c.refused(k, x)
}

// fault names the call.
func (c *Client) fault(k call, class fault.Class, reason fault.Reason, err error) *fault.Error {
	return &fault.Error{Class: class, Reason: reason, Op: k.op.String(), Object: c.object(k), Err: err}
}

// unanswered classes a request that got no answer at all.
func (c *Client) unanswered(k call, x *exchange) *fault.Error {
	e := fault.Transport(k.op.String(), c.object(k), x.err)
	e.Err = c.cleanCause(x, "")
	if x.trace.mayHaveLeft() {
		e.Class = k.op.unsure()
	}
	if e.Reason == fault.Unreachable {
		e.Hint = "check the network, DNS, proxy and certificates on the way to api_url"
	}
	return e
}

// cutShort classes the beginning of an answer: what it would have said is not known.
func (c *Client) cutShort(k call, x *exchange) *fault.Error {
	e := fault.Transport(k.op.String(), c.object(k), x.err)
	e.Class = k.op.unsure()
	e.Err = c.cleanCause(x, fmt.Sprintf("%d: the answer was cut short: ", x.status))
	if e.Reason == fault.Unreachable {
		e.Reason = fault.BadAnswer
	}
	return e
}

// refused classes an answer that is no success, by Cloudflare's codes and the status.
func (c *Client) refused(k call, x *exchange) *fault.Error {
	class, reason := k.op.classify(x)
	e := c.fault(k, class, reason, errors.New(x.upstream()))
	if text := x.header.Get("Retry-After"); text != "" || reason == fault.RateLimited {
		e.After = retryAfter(x.header, time.Now(), defaultWindow)
	}
	e.Hint = k.op.hint(e, x)
	return e
}

// classify says what an answer that is no success proves. Nothing was done where
// Cloudflare itself says so; what stands in between may say anything after a call
// that was carried out.
func (o operation) classify(x *exchange) (fault.Class, fault.Reason) {
	switch s := x.status; {
	case s == http.StatusRequestTimeout || s >= 500:
		return o.unsure(), fault.ServerError
	case x.throttled():
		return fault.Retry, fault.RateLimited
	case s < 400 || !x.refuses():
		return o.unsure(), fault.BadAnswer
	}
	return refusal(x)
}

// refusal classes what Cloudflare refuses with a 4xx, by its codes and the status.
func refusal(x *exchange) (fault.Class, fault.Reason) {
	switch s := x.status; {
	case x.has(codeNoRelay):
		return fault.Permanent, fault.NotFound
	case x.has(codeFull):
		return fault.Permanent, fault.Full
	case s == http.StatusUnauthorized || x.has(codeBadHeaders, codeBadAuthorization):
		return fault.Permanent, fault.Unauthorized
	case s == http.StatusForbidden:
		return fault.Permanent, fault.Forbidden
	case s == http.StatusNotFound || s == http.StatusMethodNotAllowed:
		return fault.Permanent, fault.NotOffered
	case s == http.StatusConflict:
		return fault.Retry, fault.Conflict
	}
	return fault.Permanent, fault.Invalid
}

func (o operation) hint(e *fault.Error, x *exchange) string {
	switch e.Reason {
	case fault.Unauthorized:
		return `check the account's API token; it needs the permission "MoQ: Edit"`
	case fault.Forbidden:
		if x.has(codeNoPermission) {
			return permissionHint
		}
		return `give the account's API token the permission "MoQ: Edit" on this account, and check account_id`
	case fault.NotFound:
		return "check the relay's id; it may have been deleted, or belong to another account"
	case fault.NotOffered:
		return o.absent()
	case fault.Full:
		return "a relay holds 10 tokens at most, expired ones included; revoke one that nobody needs"
	case fault.RateLimited:
		return fmt.Sprintf("Cloudflare refuses every call of this API token; calls go on in %s", e.After.Round(time.Second))
	}
	switch {
	case x.status >= 300 && x.status < 400:
		return "no redirect is followed with the API token; check api_url, and the proxies on the way"
	case e.Reason == fault.BadAnswer && !x.refuses():
		return notCloudflare
	case x.has(codeBadExpiry):
		return "set this machine's clock: it is far from Cloudflare's"
	}
	return ""
}

// permissionHint names the permission groups by their ids: the dashboard does not always list them.
const permissionHint = `give the account's API token the permission "MoQ: Edit" on this account, and check account_id; ` +
	`where the dashboard does not list MoQ, make the API token through the API, which takes the permission group by its id: ` +
	`MoQ Write (2f912625599b434a8df3e4e02d64c7b4), of account scope; MoQ Read (42fae5a23ce84d7a896ac12ef509dafa) can only list`

// notCloudflare is the hint for an answer that Cloudflare does not give.
const notCloudflare = "the answer is not what the Cloudflare API sends: is a proxy in between? check api_url"

// upstream is the status with Cloudflare's own codes and messages:
// "403: 10000 Authentication error".
func (x *exchange) upstream() string {
	var parts []string
	for _, e := range x.Errors {
		parts = append(parts, strings.TrimSpace(strings.Trim(string(e.Code), `"`)+" "+e.Message))
	}
	text := strings.Join(parts, "; ")
	switch {
	case x.moved != "":
		return redact.New(x.token).Text(strings.TrimSuffix(x.moved+"; "+text, "; "))
	case text != "":
	case redact.IsPage(string(x.body)):
		text = "an HTML page, as proxies send them"
	case x.status >= 300 || x.Success == nil:
		return strings.TrimSpace(fmt.Sprintf("%d %s", x.status, http.StatusText(x.status)))
	default:
		text = "no success, and no reason given"
	}
	return redact.New(x.token).Text(fmt.Sprintf("%d: %s", x.status, text))
}

// shows tells what an outcome says of the account: up, down, or (known false) nothing.
func shows(e *fault.Error) (up, known bool) {
	if e == nil {
		return true, true
	}
	switch e.Reason {
	case fault.Canceled, fault.RateLimited, fault.Internal:
		return false, false
	case fault.Unauthorized, fault.Forbidden, fault.Unreachable, fault.Timeout, fault.ServerError, fault.BadAnswer:
		return false, true
	}
	return true, true
}

// cleanCause words x.err without what the server may have put into it, after a prefix.
func (c *Client) cleanCause(x *exchange, prefix string) error {
	err := x.err
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // its method and address are said by the operation
	}
	if prefix == "" {
		prefix = "no answer from " + c.base.Host + ": "
	}
	return redact.New(x.token).Error(fmt.Errorf("%s%w", prefix, err))
}
