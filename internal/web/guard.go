package web

import (
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/rotatord/rotatord/internal/peers"
)

// What a request is refused with.
const (
	refusedOffLoopback = "this listener is off loopback and asks for no authentication, so it serves /metrics and health only: " +
		"configure basic auth or client certificates in server.web_config_file, or use the rotatord command on the host"
	refusedPost = "changes need authentication: use the rotatord command on the host (it goes through the admin socket), " +
		"or configure basic auth or client certificates in server.web_config_file"
	refusedPlain = "changes go over TLS on an address off loopback, and this is plain http: configure TLS in server.web_config_file, " +
		"or set server.insecure where a proxy ends TLS, or use the rotatord command on the host"
	refusedHost = "the Host header names another site than this loopback address: " +
		"open it as localhost, or configure basic auth or client certificates in server.web_config_file"
	refusedOrigin = "the request comes from another site"
	refusedQuery  = "changes take nothing from the query: what is asked for belongs into the body, such as {\"compromised\": true}"
	refusedSpare  = "the listener has no room but for /-/healthy and /-/ready: too many connections are open; try again"
)

// listening is what a request's rights depend on beside who makes it.
type listening struct {
	loopback bool // on an address that only this machine reaches
	insecure bool // changes over plain http are wanted
}

// guardPublic lets through to next what the TCP listener may serve.
func (l listening) guardPublic(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why := l.refusalOf(r, authenticatedUser(r) != "")
		if why == "" && crossOrigin.Check(r) != nil {
			why = refusedOrigin
		}
		if why != "" {
			writeError(w, r, http.StatusForbidden, why)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusalOf says why a request may not pass; "" when it may.
func (l listening) refusalOf(r *http.Request, authenticated bool) string {
	switch {
	case !authenticated && !isSafe(r.Method):
		return refusedPost
	case !isSafe(r.Method) && !l.loopback && r.TLS == nil && !l.insecure:
		return refusedPlain
	case authenticated:
		return ""
	case l.loopback && !isLoopbackHost(r.Host):
		// A page elsewhere whose name now resolves to 127.0.0.1 would read us.
		return refusedHost
	case !l.loopback && r.URL.Path != "/metrics":
		return refusedOffLoopback
	}
	return ""
}

// guardHealth lets everybody through to next, but for pages elsewhere. Who comes by another name and shows a password,
// though none is asked for, goes the way of those who must.
func (l listening) guardHealth(next, guarded http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, given := r.BasicAuth()
		switch {
		case !l.loopback || isLoopbackHost(r.Host) || certificateOf(r) != "":
			next.ServeHTTP(w, r)
		case given:
			guarded.ServeHTTP(w, r)
		default:
			writeError(w, r, http.StatusForbidden, refusedHost)
		}
	})
}

// guardSpare ends what came over a connection that there was no room for, and is not about health.
func guardSpare(health, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connKey{}).(*peers.Conn)
		spare := conn != nil && conn.IsSpare()
		if spare {
			w.Header().Set("Connection", "close")
		}
		switch {
		case isHealth(r.URL.Path):
			health.ServeHTTP(w, r)
		case spare:
			w.Header().Set("Retry-After", "1")
			writeError(w, r, http.StatusServiceUnavailable, refusedSpare)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// limitRate keeps requests to the rate that the web configuration gives, if it does.
func limitRate(c toolkit.RateLimiterConfig, next http.Handler) http.Handler {
	if c.Interval == 0 {
		return next
	}
	limiter := rate.NewLimiter(rate.Every(c.Interval), c.Burst)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !limiter.Allow() {
			writeError(w, r, http.StatusTooManyRequests, "more requests than rate_limit in server.web_config_file lets through")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isHealth reports whether a path asks for no password.
func isHealth(path string) bool { return path == "/-/healthy" || path == "/-/ready" }

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func isLoopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	return strings.EqualFold(name, "localhost") || net.ParseIP(name).IsLoopback()
}

// withLimits bounds every request, sets every answer's security headers, the operator's own before, and
// survives a handler's panic.
func (s *Server) withLimits(setOwn func(http.Header), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setOwn(w.Header())
		s.pages.setSecurityHeaders(w.Header())
		r.Body = http.MaxBytesReader(w, r.Body, s.limits.bodyBytes)
		defer s.answerPanic(w, r)
		next.ServeHTTP(w, r)
	})
}

// answerPanic answers for a handler that panicked. What it panicked with is not
// logged: nobody knows what is in it.
func (s *Server) answerPanic(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel panic, by net/http's documentation
		panic(p)
	}
	s.Log.Error("a request's handler panicked; this is a fault of rotatord's own",
		zap.String("path", r.URL.Path), zap.String("panic_type", fmt.Sprintf("%T", p)), zap.ByteString("stack", debug.Stack()))
	writeError(w, r, http.StatusInternalServerError, "a fault of rotatord's own; its log has the place")
}
