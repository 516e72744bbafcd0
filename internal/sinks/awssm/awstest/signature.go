package awstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// accessKey is a secret key and, for a role's, its session token.
type accessKey struct{ secret, token string }

// maxSkew is how far a request's clock may be off.
const maxSkew = 5 * time.Minute

// verifySignature checks a request's signature (version 4) as AWS does.
func (s *Server) verifySignature(r *http.Request, body []byte, service string) *Failure {
	id, headers, ok := parseAuthorization(r.Header.Get("Authorization"), service)
	if !ok {
		return signatureRefused("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	s.mu.Lock()
	key, known := s.keys[id]
	s.mu.Unlock()
	if !known || key.token != r.Header.Get("X-Amz-Security-Token") {
		return signatureRefused("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return signatureRefused("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.")
	}
	if now := s.serverTime(); now.Sub(at).Abs() > maxSkew {
		return signatureRefused("InvalidSignatureException", "%s", skewMessage(at, now))
	}
	want, err := signAnew(r, body, headers, service, at, aws.Credentials{AccessKeyID: id, SecretAccessKey: key.secret, SessionToken: key.token})
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(r.Header.Get("Authorization"))) != 1 {
		return signatureRefused("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	}
	return nil
}

func signatureRefused(code, format string, args ...any) *Failure {
	f := failWith(code, format, args...)
	f.Status = http.StatusForbidden
	return f
}

func skewMessage(at, now time.Time) string {
	const layout = "20060102T150405Z"
	if at.Before(now) {
		return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)",
			at.Format(layout), now.Add(-maxSkew).UTC().Format(layout), now.UTC().Format(layout))
	}
	return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)",
		at.Format(layout), now.Add(maxSkew).UTC().Format(layout), now.UTC().Format(layout))
}

// parseAuthorization takes AWS4-HMAC-SHA256 Credential=ID/date/region/service/aws4_request,
// SignedHeaders=a;b, Signature=hex apart.
func parseAuthorization(header, service string) (id string, headers []string, ok bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return "", nil, false
	}
	parts := map[string]string{}
	for p := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(p, "=")
		parts[k] = v
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[2] != Region || scope[3] != service {
		return "", nil, false
	}
	return scope[0], strings.Split(parts["SignedHeaders"], ";"), true
}

// signAnew signs the request anew, with the SDK's signer, over the headers that the
// client says it signed.
func signAnew(r *http.Request, body []byte, headers []string, service string, at time.Time, c aws.Credentials) (string, error) {
	again, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	again.ContentLength = 0
	for _, h := range headers {
		switch h {
		case "host":
		case "content-length":
			again.ContentLength = int64(len(body))
		default:
			again.Header[http.CanonicalHeaderKey(h)] = r.Header[http.CanonicalHeaderKey(h)]
		}
	}
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), c, again, hex.EncodeToString(sum[:]), service, Region, at)
	return again.Header.Get("Authorization"), err
}
