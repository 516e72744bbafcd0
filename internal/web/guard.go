package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"go.uber.org/zap"
)

// What a request is refused with.
const (
	refusedOffLoopback = "this listener is off loopback and asks for no authentication, so it serves /metrics and health only: " +
		"configure basic auth or client certificates in server.web_config_file, or use the rotatord command on the host"
	refusedPost = "changes need authentication: use the rotatord command on the host (it goes through the admin socket), " +
		"or configure basic auth or client certificates in server.web_config_file"
	refusedHost = "the Host header names another site than this loopback address: " +
		"open it as localhost, or configure basic auth or client certificates in server.web_config_file"
	refusedOrigin = "the request comes from another site"
)

// guardPublic lets through to next what the TCP listener may serve.
func (s *Server) guardPublic(next http.Handler, loopback bool) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := authenticatedUser(r, s.WebConfigFile)
		why := refusalOf(r, user, loopback)
		if why == "" && crossOrigin.Check(r) != nil {
			why = refusedOrigin
		}
		if why != "" {
			writeError(w, r, http.StatusForbidden, why)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), byKey{}, user)))
	})
}

// refusalOf says why a request may not pass; "" when it may.
func refusalOf(r *http.Request, user string, loopback bool) string {
	switch {
	case user != "":
		return ""
	case !isSafe(r.Method):
		return refusedPost
	case isOpen(r.URL.Path):
		return ""
	case !loopback:
		return refusedOffLoopback
	case !isLoopbackHost(r.Host):
		// A page elsewhere whose name now resolves to 127.0.0.1 would read us.
		return refusedHost
	}
	return ""
}

// isOpen tells the paths that everybody may read.
func isOpen(path string) bool {
	return path == "/metrics" || path == "/-/healthy" || path == "/-/ready"
}

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

// withLimits bounds every request, sets every answer's security headers and
// survives a handler's panic.
func (s *Server) withLimits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.pages.setHeaders(w.Header())
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
