package forward

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// IsForwarded reports whether a request says of itself that another replica has sent it on.
func IsForwarded(r *http.Request) bool { return r.Header.Get(headerSignature) != "" }

// IsNonce reports whether a request is for ServeNonce.
func IsNonce(r *http.Request) bool { return r.URL.Path == pathNonce }

// ServeNonce gives a nonce to whoever asks: without the key it is of no use.
func (p *Replica) ServeNonce(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "GET is served here", http.StatusMethodNotAllowed)
		return
	}
	if !p.Standing().Leads {
		MarkRefused(w)
		http.Error(w, "it does not lead", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, p.nonces.giveOut())
}

// MarkRefused has the other replica know that its request was not let in.
func MarkRefused(w http.ResponseWriter) { w.Header().Set(headerRefused, "1") }

// Accept returns who asks, and through which replica, when a request that was sent on is to be served; r's body
// can be read once more, then. It is the right of one request: a second of the same nonce is refused.
func (p *Replica) Accept(r *http.Request) (by, through string, _ *Failure) {
	s := p.Standing()
	switch {
	case r.TLS == nil:
		return "", "", forbidden("requests are sent on over TLS alone")
	case !s.Leads || r.Header.Get(headerTerm) != strconv.FormatInt(s.Leader.Term, 10):
		return "", "", unavailable("it leads no more, or not in the term that is meant; ask again in a moment")
	case !p.nonces.isGood(r.Header.Get(headerNonce)):
		return "", "", forbidden("it is too old, or was never asked for here")
	}
	key, err := p.Key()
	if err != nil {
		return "", "", unavailable("what the replicas share is not there: %v", err)
	}
	body, failure := readBody(r)
	if failure != nil {
		return "", "", failure
	}
	if !isSigned(r, r.RequestURI, key, body) {
		return "", "", forbidden("its signature is wrong: do all replicas have the same state.etcd?")
	}
	if fresh, full := p.nonces.use(r.Header.Get(headerNonce)); full {
		return "", "", unavailable("too many requests were sent on within %s; ask again in a moment", p.limits.nonce.Round(time.Second))
	} else if !fresh {
		return "", "", forbidden("it was served before")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	by, _ = url.QueryUnescape(r.Header.Get(headerCaller)) // it was signed
	through, _ = url.QueryUnescape(r.Header.Get(headerReplica))
	return by, through, nil
}

func forbidden(text string) *Failure { return &Failure{http.StatusForbidden, text} }
