package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/forward"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// answerOrForward has a request be answered by who leads: here, or there.
func (s *Server) answerOrForward(here http.HandlerFunc) http.HandlerFunc {
	if here == nil {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.Replicas.Standing().Leads:
			here(w, r)
		case isSentOn(r): // it is sent on once
			forward.MarkRefused(w)
			writeError(w, r, http.StatusServiceUnavailable, "this replica leads no more: ask again in a moment")
		default:
			s.forward(w, r)
		}
	}
}

func (s *Server) forward(w http.ResponseWriter, r *http.Request) {
	failure := s.Replicas.Send(w, r, requester(r))
	switch {
	case failure == nil:
	case strings.HasPrefix(r.URL.Path, "/api/"):
		writeError(w, r, failure.Status, failure.Text)
	default:
		s.render(w, r, failure.Status, "missing.html", "no answer of the leader's", failure.Text)
	}
}

// receiveForwarded serves what other replicas send on, and leaves the rest to next. Who asked gave his password there,
// and none here.
func (s *Server) receiveForwarded(next http.Handler) http.Handler {
	if s.Replicas == nil {
		return next
	}
	mux := http.NewServeMux()
	for _, r := range append(s.commonRoutes(), s.adminRoutes()...) {
		if r.leaders {
			s.handle(mux, []route{r})
		}
	}
	mux.HandleFunc("/", serveNothing)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case forward.IsNonce(r):
			s.Replicas.ServeNonce(w, r)
		case forward.IsForwarded(r):
			s.serveForwarded(mux, w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) serveForwarded(mux http.Handler, w http.ResponseWriter, r *http.Request) {
	by, through, failure := s.Replicas.Accept(r)
	if failure != nil {
		if failure.Status == http.StatusForbidden {
			s.logins.failed(r.RemoteAddr, zap.String("forwarded", failure.Text))
		}
		forward.MarkRefused(w)
		writeError(w, r, failure.Status, failure.Text)
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(adminWriteTimeout)) // what it may ask for takes its time
	ctx := context.WithValue(r.Context(), byKey{}, by+", through replica "+through)
	mux.ServeHTTP(w, r.WithContext(context.WithValue(ctx, throughKey{}, through)))
}

func isSentOn(r *http.Request) bool { return r.Context().Value(throughKey{}) != nil }

// throughOf names the replica that has sent a request on; "" where it came from whoever asks.
func throughOf(r *http.Request) string {
	name, _ := r.Context().Value(throughKey{}).(string)
	return name
}

// SPKI is the digest of the TCP listener's certificate's key, by which other replicas know it; "" without TLS. It
// changes when the certificate's file does.
func (s *Server) SPKI() string {
	shown := s.shownCertificate()
	if shown == nil {
		return ""
	}
	leaf, err := x509.ParseCertificate(shown.Certificate[0])
	if err != nil {
		return ""
	}
	return forward.PinOf(leaf)
}

func (s *Server) shownCertificate() *tls.Certificate { return s.config.certificate() }

// leadership is who leads, for programs; nil on one machine, and where nobody does.
func (s *Server) leadership() *adminapi.Leader {
	if s.Replicas == nil {
		return nil
	}
	standing := s.Replicas.Standing()
	if standing.Vacant || standing.Leader.Replica == "" {
		return nil
	}
	return &adminapi.Leader{Replica: standing.Leader.Replica, Since: standing.Leader.Since}
}

// leaderLine says which replica leads, and since when; "" on one machine.
func (s *Server) leaderLine(r *http.Request, now time.Time) string {
	if s.Replicas == nil {
		return ""
	}
	l := s.leadership()
	if l == nil {
		return "No replica leads now."
	}
	text := "Replica " + redact.Name(l.Replica) + " leads, since " + timefmt.Full(l.Since) + " (" + timefmt.Relative(now, l.Since) + ")."
	if isSentOn(r) {
		text += " This page is its, through replica " + redact.Name(throughOf(r)) + ", which stands by."
	}
	return text
}
