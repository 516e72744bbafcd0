package cf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/transport"
)

// exchange is one request and its answer. It stands between the SDK and the HTTP
// client, so that requests made by either hand are sent, bounded and judged alike.
type exchange struct {
	ctx      context.Context // the caller's
	http     *http.Client
	apiToken secret.Value
	now      func() time.Duration // of the elapsed-time clock
	toEnd    bool                 // what has begun to leave is sent to its end

	begun   bool         // a request was handed to the HTTP client, which did not hold it back
	held    *fault.Error // that it was held back, or cut off: this process may not act any more
	trace   trace
	took    time.Duration
	sent    time.Duration // when, by the elapsed-time clock
	heard   time.Duration // when the answer began
	created time.Time     // when the answer says that the token was created; zero: it is about none
	err     error         // no answer, or only the beginning of one
	status  int           // 0 without an answer
	header  http.Header
	moved   string // where a 3xx points to, in words
	body    []byte
	envelope
}

// envelope is what every answer of Cloudflare has, apart from its result. What stands
// in between (a proxy, a portal's login page) answers with anything else.
type envelope struct {
	Success *bool // nil: not Cloudflare's envelope
	Errors  []apiError
}

// readEnvelope finds the envelope in an answer, by its exact keys: other gateways have
// Success and Errors.
func readEnvelope(body []byte) (e envelope) {
	var parts map[string]json.RawMessage
	if json.Unmarshal(body, &parts) != nil {
		return envelope{}
	}
	if json.Unmarshal(parts["success"], &e.Success) != nil {
		e.Success = nil
	}
	_ = json.Unmarshal(parts["errors"], &e.Errors) // what is no error of Cloudflare's has neither code nor message
	return e
}

// isRefusal reports whether Cloudflare itself says no, and why.
func (e envelope) isRefusal() bool {
	return e.Success != nil && !*e.Success && slices.ContainsFunc(e.Errors, apiError.saysSomething)
}

// apiError is one of Cloudflare's own errors. Codes are open-ended.
type apiError struct {
	Code    json.RawMessage `json:"code"`
	Message string          `json:"message"`
}

// code is the error's code, which may come as a number or as a string.
func (e apiError) code() string { return strings.Trim(string(e.Code), `"`) }

// saysSomething reports whether the error has a code or a message.
func (e apiError) saysSomething() bool {
	var code any
	_ = json.Unmarshal(e.Code, &code)
	switch code := code.(type) {
	case string:
		return code+e.Message != ""
	case float64:
		return code != 0 || e.Message != ""
	}
	return e.Message != ""
}

// requestOptions make the SDK send through x. The API token stays out of the SDK's hands.
func (x *exchange) requestOptions() []option.RequestOption {
	return []option.RequestOption{option.WithHTTPClient(x)}
}

// sdkContext never ends: the SDK throws an answer away when its context ended
// while the answer came in. Do watches the caller's context.
func (x *exchange) sdkContext() context.Context { return context.WithoutCancel(x.ctx) }

// Do implements the SDK's HTTPClient: it sends req, reads the answer whole and
// keeps what is needed to judge it.
func (x *exchange) Do(req *http.Request) (*http.Response, error) {
	req = req.WithContext(httptrace.WithClientTrace(x.sendingContext(), x.trace.clientTrace()))
	req.Header.Set("Authorization", "Bearer "+x.apiToken.Reveal())
	req.Header.Set("User-Agent", "rotatord")
	x.begun = true
	begin := time.Now()
	defer func() { x.took = time.Since(begin) }()
	x.sent = x.now()
	res, err := x.http.Do(req)
	x.heard = x.now()
	if err != nil {
		x.noteUnanswered(err)
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	x.read(res)
	if x.err != nil {
		return nil, x.err
	}
	res.Header.Set("Content-Type", "application/json") // or the SDK would not look at the body
	res.Body = io.NopCloser(bytes.NewReader(x.body))
	return res, nil
}

func (x *exchange) sendingContext() context.Context {
	if x.toEnd {
		return transport.ToItsEnd(x.ctx)
	}
	return x.ctx
}

// noteUnanswered keeps why there was no answer. The transport alone returns faults of its own: it held the request back.
func (x *exchange) noteUnanswered(err error) {
	x.err = err
	if x.held, _ = errors.AsType[*fault.Error](err); x.held != nil {
		x.begun = !x.held.Unsent
	}
}

func (x *exchange) read(res *http.Response) {
	x.status, x.header = res.StatusCode, res.Header.Clone()
	if x.status >= 300 && x.status < 400 {
		x.moved = transport.PointsTo(res)
	}
	body, err := io.ReadAll(res.Body)
	if err == nil {
		x.body = body
	}
	x.err = err
	x.envelope = readEnvelope(x.body)
}

// isSuccess reports whether the answer is complete and says so itself.
func (x *exchange) isSuccess() bool {
	return x.err == nil && x.status >= 200 && x.status < 300 && x.Success != nil && *x.Success
}

// isUnanswered reports whether no answer came at all.
func (x *exchange) isUnanswered() bool { return x.status == 0 }

// isCutShort reports whether the beginning of an answer alone came, and does not tell enough.
func (x *exchange) isCutShort() bool { return !x.isUnanswered() && x.err != nil && !x.isThrottled() }

// isThrottled reports whether a 429 is taken for Cloudflare's: it has the envelope, a Ratelimit, or a Retry-After, which
// Cloudflare's edge sends without an envelope, and which others may send, too.
func (x *exchange) isThrottled() bool {
	return x.status == http.StatusTooManyRequests &&
		(x.isRefusal() || x.header.Get("Ratelimit") != "" || x.header.Get("Retry-After") != "")
}

// statusForBudget is the status as far as the budget has to heed it: a 429 that is not taken for Cloudflare's stops
// nobody else's calls.
func (x *exchange) statusForBudget() int {
	if x.status == http.StatusTooManyRequests && !x.isThrottled() {
		return 0
	}
	return x.status
}

// statusLabel is the metric's word for how the request ended.
func (x *exchange) statusLabel() string {
	if x.status == 0 {
		return "error"
	}
	return strconv.Itoa(x.status)
}

// hasCode reports whether Cloudflare's errors hold one of the codes, be they numbers or strings.
func (x *exchange) hasCode(codes ...string) bool {
	return slices.ContainsFunc(x.Errors, func(e apiError) bool { return slices.Contains(codes, e.code()) })
}

// trace finds out whether a request may have reached the server: it has not while
// no connection was got for it. The transport repeats a POST of its own accord only
// when the first connection took none of it, and then asks for a connection anew.
type trace struct {
	asked atomic.Bool // the transport supports tracing
	sent  atomic.Bool
}

func (t *trace) clientTrace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true); t.sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { t.sent.Store(true) },
	}
}

func (t *trace) mayHaveLeft() bool { return !t.asked.Load() || t.sent.Load() }
