package forward

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// Send answers r, that by asks, with what the leader answers. A *Failure says why it could not: then nothing is
// written yet. An answer that breaks off ends the connection to who asked, as a panic of http.ErrAbortHandler.
func (p *Replica) Send(w http.ResponseWriter, r *http.Request, by string) *Failure {
	l, key, failure := p.addressee()
	if failure != nil {
		return failure
	}
	body, failure := readBody(r)
	if failure != nil {
		return failure
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	silent := time.AfterFunc(p.limits.dial, func() { cancel(errSilent) })
	defer silent.Stop()
	through := p.sender.transportTo(l, p.Options, p.limits)
	nonce, failure := p.fetchNonce(ctx, through, l)
	if failure != nil {
		return failure
	}
	patience := p.patienceFor(r)
	silent.Reset(patience)
	to, err := newRequest(ctx, r, l, body)
	if err != nil {
		return &Failure{http.StatusBadRequest, err.Error()}
	}
	sign(to, key, body, l.Term, nonce, p.Name, by)
	answer, err := through.RoundTrip(to)
	if err != nil {
		return lost(l, r.Method, cmp.Or(context.Cause(ctx), err))
	}
	defer answer.Body.Close() //nolint:errcheck // it was read, or nobody reads on
	if answer.Header.Get(headerRefused) != "" {
		return p.refusedBy(l, answer)
	}
	handOn(w, answer, func() { silent.Reset(patience) })
	return nil
}

var errSilent = errors.New("no answer in time")

// addressee returns who is asked, and what that one knows us by.
func (p *Replica) addressee() (l Leader, key secret.Value, _ *Failure) {
	s := p.Standing()
	l = s.Leader
	switch {
	case l.Replica == "":
		return l, key, unavailable("no replica leads, as far as %s knows. One is elected within seconds of the first that may; "+
			"if none is, look at the logs of the replicas, and at etcd", p.Name)
	case s.Vacant:
		return l, key, unavailable("no replica leads now; %s led last, since %s. Another is elected within the lease's length; "+
			"if none is, look at the logs of the replicas, and at etcd", l.Replica, timefmt.Stamp(l.Since))
	case l.Advertise == "":
		return l, key, unavailable("%s, and does not tell where it is reached: ask there, or set its server.advertise", leads(l))
	case l.SPKI == "":
		return l, key, unavailable("%s, and serves no TLS: ask there, or configure TLS in its server.web_config_file", leads(l))
	}
	key, err := p.Key()
	if err != nil {
		return l, key, unavailable("%s, and what the replicas share to know each other by is not there: %v. Ask there", leads(l), err)
	}
	return l, key, nil
}

func leads(l Leader) string {
	return fmt.Sprintf("replica %s leads since %s", l.Replica, timefmt.Stamp(l.Since))
}

func unavailable(format string, args ...any) *Failure {
	return &Failure{http.StatusServiceUnavailable, fmt.Sprintf(format, args...)}
}

// readBody reads what was asked; whoever serves r has bounded it.
func readBody(r *http.Request) ([]byte, *Failure) {
	body, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &Failure{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", large.Limit)}
	}
	if err != nil {
		return nil, &Failure{http.StatusBadRequest, "the body could not be read: " + err.Error()}
	}
	return body, nil
}

// patienceFor is how long an answer may be silent. What the leader has to ask Cloudflare for takes longer.
func (p *Replica) patienceFor(r *http.Request) time.Duration {
	if strings.HasPrefix(r.URL.Path, "/api/v1/tokens/") {
		return p.limits.slow
	}
	return p.limits.quick
}

// fetchNonce asks the leader for one. Nothing is done meanwhile.
func (p *Replica) fetchNonce(ctx context.Context, through http.RoundTripper, l Leader) (string, *Failure) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(l.Advertise, "/")+pathNonce, nil)
	if err != nil {
		return "", unavailable("%s, and tells no good address: %v", leads(l), err)
	}
	answer, err := through.RoundTrip(r)
	if err != nil {
		return "", unreachable(l, cmp.Or(context.Cause(ctx), err))
	}
	defer answer.Body.Close() //nolint:errcheck // it is read
	if answer.StatusCode != http.StatusOK {
		return "", p.refusedBy(l, answer)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, p.limits.answer))
	if err != nil {
		return "", unreachable(l, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// unreachable says what is known of a leader that did not answer before anything was asked of it.
func unreachable(l Leader, err error) *Failure {
	if errors.Is(err, errOther) {
		return unavailable("%s, and somebody else answers at %s: %v. Nothing was asked: correct its server.advertise, or ask there",
			leads(l), l.Advertise, errOther)
	}
	return unavailable("%s, and is not reached at %s: %s. Nothing was asked: ask there, "+
		"or look at the network between the replicas, and at its server.listen", leads(l), l.Advertise, causeOf(err))
}

// lost says what to do about an answer that did not come.
func lost(l Leader, method string, err error) *Failure {
	if method == http.MethodGet || method == http.MethodHead {
		return &Failure{http.StatusGatewayTimeout, fmt.Sprintf("%s, and its answer was lost: %s. Ask again", leads(l), causeOf(err))}
	}
	return &Failure{http.StatusGatewayTimeout, fmt.Sprintf(
		"%s, and its answer was lost: %s. It is not known whether it took the request down, so it was not sent again: "+
			"see `rotatord history`, and ask again if it is not there", leads(l), causeOf(err))}
}

func causeOf(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return "no answer in time"
	}
	return redact.Folded(err.Error())
}

// refusedBy says what a leader said that let nothing in.
func (p *Replica) refusedBy(l Leader, answer *http.Response) *Failure {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, p.limits.answer)) // what came of it has to do
	var told struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &told) != nil || told.Error == "" {
		told.Error = strings.TrimSpace(answer.Status + " " + redact.Folded(string(text)))
	}
	return unavailable("replica %s did not let the request in, so that nothing was done: %s", l.Replica, redact.Folded(told.Error))
}

// newRequest is r once more, with nothing of who sent it but what was asked. It has no GetBody: it is sent once.
func newRequest(ctx context.Context, r *http.Request, l Leader, body []byte) (*http.Request, error) {
	to, err := http.NewRequestWithContext(ctx, r.Method, strings.TrimRight(l.Advertise, "/")+r.URL.RequestURI(), nil) //nolint:gosec // the leader's address
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		to.Body, to.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	for _, name := range []string{"Content-Type", "Accept", "Accept-Encoding"} {
		if v := r.Header.Get(name); v != "" {
			to.Header.Set(name, v)
		}
	}
	return to, nil
}

// handedOn returns the headers of an answer that who asked is to see. Its page's style and script are the leader's, and
// so is what allows them.
func handedOn() []string {
	return []string{
		"Content-Type", "Content-Length", "Content-Encoding", "Vary", "Retry-After", "Content-Security-Policy", "Cache-Control",
	}
}

// handOn writes an answer as it comes, and says whenever some of it did.
func handOn(w http.ResponseWriter, answer *http.Response, came func()) {
	for _, name := range handedOn() {
		if v := answer.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, heard{answer.Body, came}); err != nil {
		panic(http.ErrAbortHandler) // who asked is to see that something is missing
	}
}

// heard says of each Read that it has come to its end.
type heard struct {
	io.Reader
	came func()
}

// Read implements io.Reader.
func (h heard) Read(b []byte) (int, error) {
	defer h.came()
	return h.Reader.Read(b)
}
