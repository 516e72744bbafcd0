package forward

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rotatord/rotatord/internal/secret"
)

// What a request that is sent on carries beside what was asked.
const (
	headerTerm      = "Rotatord-Term"
	headerNonce     = "Rotatord-Nonce"
	headerReplica   = "Rotatord-Replica"   // through which it comes
	headerCaller    = "Rotatord-Caller"    // who asked there
	headerSignature = "Rotatord-Signature" // over all of that, the method, the path with its query, and the body

	// headerRefused is in an answer of the leader's that let nothing in: nothing was done, then.
	headerRefused = "Rotatord-Refused"
)

// pathNonce is where a leader gives nonces out.
const pathNonce = "/-/nonce"

// sign signs what r asks, with body, in the name of caller, for one leader's term.
func sign(r *http.Request, key secret.Value, body []byte, term int64, nonce, replica, caller string) {
	r.Header.Set(headerTerm, strconv.FormatInt(term, 10))
	r.Header.Set(headerNonce, nonce)
	r.Header.Set(headerReplica, url.QueryEscape(replica))
	r.Header.Set(headerCaller, url.QueryEscape(caller))
	r.Header.Set(headerSignature, hex.EncodeToString(signatureOf(r, r.URL.RequestURI(), key, body)))
}

// isSigned reports whether r's signature is by key, over what r asks at target, as it was sent.
func isSigned(r *http.Request, target string, key secret.Value, body []byte) bool {
	claimed, err := hex.DecodeString(r.Header.Get(headerSignature))
	return err == nil && hmac.Equal(claimed, signatureOf(r, target, key, body))
}

func signatureOf(r *http.Request, target string, key secret.Value, body []byte) []byte {
	digest := sha256.Sum256(body)
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	for _, part := range []string{
		"rotatord forwarded request 1", r.Header.Get(headerTerm), r.Header.Get(headerNonce), r.Method, target, string(digest[:]),
		r.Header.Get(headerReplica), r.Header.Get(headerCaller),
	} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash takes everything
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}
