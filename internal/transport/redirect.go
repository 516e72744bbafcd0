// Package transport is how every client of rotatord reaches its server: what is sent goes where the
// configuration says, and nowhere else, and no step of it lasts for ever.
//
// A Transport (transport.go) bounds the connecting, the handshake, the wait for an answer, its
// reading and its size; each client has one of its own, so that a server that answers nobody takes
// connections from nobody else. Authorities of a file are read again when it changes
// (WithAuthorities). With MayAct, nothing leaves one whose mandate has ended (guard.go). Redirects stands
// above a sink's: a 3xx is an error with a hint, because the request holds credentials and perhaps a
// token, unless its Allow lets that one through. (Package cf judges a 3xx itself.)
//
// Bound does as much for clients that a library brings along. Errors are of package fault; what got
// no answer is left to the caller, who alone knows whether its request may have been carried out.
package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/redact"
)

// Redirects is a RoundTripper for which every 3xx answer is an error, so that no
// client above it takes one for a success or follows it of its own accord: the
// request that it would send on holds credentials, and perhaps a token. With
// Allow, one redirect of a request is followed that keeps its method (307, 308).
type Redirects struct {
	Next http.RoundTripper
	// Hint says what a person can do about a redirect of this status to to that was not followed.
	Hint func(status int, to *url.URL) string
	// Allow says why a request for from must not be sent on to to; empty when it may.
	// nil: no redirect is followed.
	Allow func(from, to *url.URL) (refusal string)
}

// RoundTrip implements http.RoundTripper. A redirect that is not followed is a *fault.Error.
func (r *Redirects) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.Next.RoundTrip(request)
	if err != nil || !isRedirect(answer) {
		return answer, err
	}
	again, err := r.redirectedRequest(request, answer)
	discardAnswer(answer)
	if err != nil {
		return nil, err
	}
	second, err := r.Next.RoundTrip(again)
	if err != nil || !isRedirect(second) {
		return second, err
	}
	defer discardAnswer(second)
	f := r.refusalOf(again, second, "and it had been redirected to there")
	f.Class = fault.Retry // the one that is meant is perhaps being elected
	return nil, f
}

// CloseIdleConnections does so for the RoundTripper below.
func (r *Redirects) CloseIdleConnections() { CloseIdle(r.Next) }

// CloseIdle closes the idle connections of a RoundTripper that has any.
func CloseIdle(t http.RoundTripper) {
	if c, ok := t.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// redirectedRequest makes the request that an answer asks for, or says why it is not made.
func (r *Redirects) redirectedRequest(request *http.Request, answer *http.Response) (*http.Request, error) {
	if r.Allow == nil {
		return nil, r.refusalOf(request, answer, "")
	}
	if s := answer.StatusCode; s != http.StatusTemporaryRedirect && s != http.StatusPermanentRedirect {
		return nil, r.refusalOf(request, answer, "only a 307 or 308 may be followed")
	}
	to, err := answer.Location()
	if err != nil || to.User != nil || to.Hostname() == "" {
		return nil, r.refusalOf(request, answer, "")
	}
	if why := r.Allow(request.URL, to); why != "" {
		return nil, r.refusalOf(request, answer, why)
	}
	again, err := withAddress(request, to)
	if err != nil {
		return nil, r.refusalOf(request, answer, err.Error())
	}
	return again, nil
}

// withAddress is request once more, for to.
func withAddress(request *http.Request, to *url.URL) (*http.Request, error) {
	again := request.Clone(request.Context())
	again.URL, again.Host = to, ""
	if request.Body == nil || request.Body == http.NoBody {
		return again, nil
	}
	if request.GetBody == nil {
		return nil, errors.New("its body cannot be sent a second time")
	}
	body, err := request.GetBody()
	again.Body = body
	return again, err
}

func (r *Redirects) refusalOf(request *http.Request, answer *http.Response, why string) *fault.Error {
	if why != "" {
		why = ": " + why
	}
	f := fault.Newf(fault.Permanent, fault.BadAnswer, "", "", "%s %s://%s%s %s, which is not followed%s",
		request.Method, request.URL.Scheme, request.URL.Host, request.URL.EscapedPath(), PointsTo(answer), why)
	if to, err := answer.Location(); err == nil && r.Hint != nil {
		f.Hint = r.Hint(answer.StatusCode, to)
	}
	return f
}

// PointsTo words where a 3xx answer points to: "answers 307 and points to
// https://other.example:8200". Of the address it shows scheme, host and port alone.
func PointsTo(answer *http.Response) string {
	to, err := answer.Location()
	if err != nil || to.Host == "" {
		return fmt.Sprintf("answers %d and does not say where to", answer.StatusCode)
	}
	return fmt.Sprintf("answers %d and points to %s://%s", answer.StatusCode, to.Scheme, redact.Host(to.Host))
}

func isRedirect(answer *http.Response) bool {
	return answer.StatusCode >= 300 && answer.StatusCode < 400
}

// discardAnswer lets the connection of an answer that nobody reads be used again.
func discardAnswer(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	_ = answer.Body.Close()
}
