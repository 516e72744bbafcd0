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

// classify returns what came of a request as an error, or nil when the answer is in order; problem is what
// the result of a successful answer lacks.
func (c *Client) classify(k call, x *exchange, problem string) *fault.Error {
	if x.isSuccess() && problem == "" {
		return nil
	}
	if x.held != nil {
		e := *x.held
		e.Op, e.Object = k.op.String(), c.objectOf(k)
		return &e
	}
	after := x.asksToWait()
	m, _ := meanings.Find(failedCall{k.op, x})
	// x.err, which is not redacted, is read for reason and hint alone; of it the hint shows at most a certificate's
	// name and dates, quoted. What is shown besides is causeOf's.
	e := m.Error(k.op.String(), c.objectOf(k), x.err, "{after}", after.Round(time.Second).String(), "{clock}", c.clockDifference())
	e.After = after
	e.Err = c.causeOf(x, problem)
	if e.Class == fault.Ambiguous && !k.op.isMint() { // listing and revoking again is harmless
		e.Class = fault.Retry
	}
	return e
}

// causeOf says in words what came of a request.
func (c *Client) causeOf(x *exchange, problem string) error {
	switch {
	case !x.begun:
		return errors.New("the request could not be built")
	case x.isUnanswered() && x.ranOutOfTime():
		return &noAnswerInTime{from: c.base.Host, connected: x.trace.mayHaveLeft(), within: x.took}
	case x.isUnanswered():
		return c.redactedCause(x, "no answer from "+c.base.Host)
	case x.isCutShort():
		return c.redactedCause(x, fmt.Sprintf("%d: the answer was cut short", x.status))
	case x.isSuccess():
		return fmt.Errorf("%d: %s", x.status, problem)
	}
	return errors.New(x.upstreamText())
}

// asksToWait returns for how long a refusal asks not to be called again, 0 where it does not ask.
func (x *exchange) asksToWait() time.Duration {
	if x.isUnanswered() || x.isCutShort() || x.isSuccess() || x.header.Get("Retry-After") == "" && !x.isThrottled() {
		return 0
	}
	return retryAfter(x.header, time.Now(), defaultWindow)
}

// upstreamText is the status with Cloudflare's own codes and messages:
// "403: 10000 Authentication error".
func (x *exchange) upstreamText() string {
	var parts []string
	for _, e := range x.Errors {
		parts = append(parts, strings.TrimSpace(e.code()+" "+e.Message))
	}
	text := strings.Join(parts, "; ")
	switch {
	case x.moved != "":
		return redact.New(x.apiToken).Text(strings.TrimSuffix(x.moved+"; "+text, "; "))
	case text != "":
	case redact.IsPage(string(x.body)):
		text = redact.Page
	case x.status >= 300 || x.Success == nil:
		return strings.TrimSpace(fmt.Sprintf("%d %s", x.status, http.StatusText(x.status)))
	default:
		text = "no success, and no reason given"
	}
	return redact.New(x.apiToken).Text(fmt.Sprintf("%d: %s", x.status, text))
}

// accountState returns whether the account is up, as far as an outcome shows it: known is false where it shows
// nothing. A call that was limited has been answered by the edge alone. It asks whether a mint would be carried
// out, so an account that forbids a call is down; sinks.isUp, rotation.upstreamStateOf and slot.stateUnder ask for
// something else. docs/metrics.md has the four side by side.
func accountState(e *fault.Error) (up, known bool) {
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

// redactedCause returns x.err behind what happened, without what the server may have put into it.
func (c *Client) redactedCause(x *exchange, happened string) error {
	err := x.err
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // its method and address are said by the operation
	}
	return redact.New(x.apiToken).Error(fmt.Errorf("%s: %w", happened, err))
}
