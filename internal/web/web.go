// Package web is rotatord's face: the status page, the API, health, metrics
// and the admin socket. It reads and asks through the Daemon interface and
// knows no token's value.
//
// One table (routes.go) names all paths, for two listeners that differ in what they let through. Over
// TCP (guard.go) only who gave a password may change anything, and not over plain http where others could listen;
// without one there is no more to be read off this machine than metrics and health. At the admin socket its mode and
// its folder say who comes in, and the kernel who it was, which the history keeps. Connections, requests under way and
// answers in memory are bounded, so that no reader holds up rotations; questions of health find room all
// the same. Pages are rendered on the server, and work without scripts.
package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log" //nolint:depguard // what http.Server wants for its errors
	"net"
	"net/http"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/answers"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/forward"
	"github.com/rotatord/rotatord/internal/limit"
	"github.com/rotatord/rotatord/internal/peers"
	"github.com/rotatord/rotatord/internal/slot"
)

// Daemon is what the pages and the API show and ask for. All methods are safe
// for concurrent use. Errors are written for people; a *fault.Error also
// chooses the HTTP status. relay and typ come from a URL and may name nothing.
type Daemon interface {
	// Statuses visits every slot, by relay, then type. The *Status is valid during its yield only; yields
	// do no I/O, so the daemon may hold a lock.
	Statuses(yield func(*slot.Status) bool)
	// StatusOf returns one slot's status, a copy.
	StatusOf(relay, typ string) (slot.Status, bool)
	// Rotate makes a request by somebody for a rotation durable and returns at once.
	Rotate(ctx context.Context, relay, typ, by string, compromised bool) (slot.Status, error)
	// History returns at most limit events, newest first: of all slots when relay is
	// empty, of a relay's when typ is.
	History(ctx context.Context, relay, typ string, limit int) ([]slot.Event, error)
	// Tokens lists what a relay holds.
	Tokens(ctx context.Context, relay string) ([]adminapi.Token, error)
	// Prune revokes former tokens of this installation, of all or of those with the ids, and returns these, kept ones
	// too; with dryRun it only lists them.
	Prune(ctx context.Context, relay string, ids []string, dryRun bool) ([]adminapi.Token, error)
	// Forecast lists the runs within the given time from now, soonest first, bounded in number.
	Forecast(within time.Duration) []adminapi.Run
	// Reload reads the configuration again, and tells what has changed and what of it does not
	// work as things are; on an error nothing has changed.
	Reload(ctx context.Context) (adminapi.ReloadResult, error)
	// Notes are what a person should know of the installation, beside its slots.
	Notes() []string
	// Ready is nil, or why this daemon cannot do its work at present.
	Ready() error
}

// Options are what a Server needs. Daemon, Metrics and Log must be set.
type Options struct {
	Daemon  Daemon
	Metrics http.Handler
	Log     *zap.Logger

	Version  string // shown on the page
	Instance string // shown on the page

	Listen        string // TCP address; "" for none
	Connections   int    // most connections to it; 0 means 512
	WebConfigFile string // exporter-toolkit file: TLS, basic auth; "" for none
	Insecure      bool   // changes over plain http off loopback are let through
	AuthFailed    func() // is told of each failed login; nil for nobody

	AdminSocket      string      // path; "" for none
	AdminSocketMode  fs.FileMode // permission bits; zero means 0600
	AdminSocketGroup string      // name or id; "" leaves it

	// Replicas sends on to the leader what a standby cannot answer, and lets in what others send on; nil on one machine.
	Replicas *forward.Replica

	Now func() time.Time // nil means time.Now
}

// Server serves the TCP listener and the admin socket. Listen, Serve and
// Shutdown are each called once, in that order.
type Server struct {
	Options
	limits limits
	pages  *pages
	scans  *limit.Limiter // requests that look at every slot; left before one is answered
	places *answers.Places
	config *webConfig // of the TCP listener
	logins *logins    // of the TCP listener

	tcp, admin    *http.Server
	tcpListener   *peers.Listener
	adminListener net.Listener
}

// limits bound what one client can take.
type limits struct {
	header, read, write, idle time.Duration
	headerBytes               int
	bodyBytes                 int64
	connections, perPeer      int // of the TCP listener
	streams                   int // of one connection over HTTP/2
	scans                     int // requests that look at every slot, at once
	pages, lists              int // answers that are in the making or not yet read: pages and the like, and lists of all slots
	pace                      answers.Pace
}

func defaultLimits() limits {
	return limits{
		header: 5 * time.Second, read: 15 * time.Second, write: time.Minute, idle: 2 * time.Minute,
		headerBytes: 32 << 10, bodyBytes: 64 << 10, connections: 512, perPeer: 64, streams: 8,
		scans: 4, pages: 16, lists: 4, pace: answers.DefaultPace(),
	}
}

// Profiles and the daemon's calls to Cloudflare take their time.
const adminWriteTimeout = 5 * time.Minute

// New makes a server; nothing is reachable before Listen.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AdminSocketMode == 0 {
		o.AdminSocketMode = 0o600
	}
	if o.AuthFailed == nil {
		o.AuthFailed = func() {}
	}
	l := defaultLimits()
	l.connections = cmp.Or(o.Connections, l.connections)
	s := &Server{Options: o, limits: l, pages: newPages(), scans: limit.New(l.scans), places: answers.NewPlaces(l.pages, l.pace)}
	if o.Replicas != nil {
		o.Replicas.Certificate = s.shownCertificate
	}
	return s
}

// Listen checks the options and the web configuration, and binds the socket and the listener. On
// an error nothing stays bound. The socket comes first: it knows another daemon.
func (s *Server) Listen() error {
	if s.Daemon == nil || s.Metrics == nil || s.Log == nil {
		return fault.Newf(fault.Permanent, fault.Internal, "listen", "", "a daemon, metrics and a log are needed").
			WithHint("this is a fault of rotatord; please report it")
	}
	if err := s.listenAdmin(); err != nil {
		return err
	}
	if err := s.listenTCP(); err != nil {
		return errors.Join(err, closeListener(s.adminListener))
	}
	return nil
}

func (s *Server) listenTCP() error {
	if s.Options.Listen == "" {
		return nil
	}
	c, err := openWebConfig(s.WebConfigFile, s.Log)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.Options.Listen)
	if err != nil {
		return tcpFault(s.Options.Listen, err)
	}
	s.config, s.tcpListener = c, s.limits.bound(l)
	s.tcp = s.publicServer(listening{loopback: isLoopback(l.Addr()), insecure: s.Insecure})
	s.Log.Info("Listening on", zap.Stringer("address", l.Addr()), zap.Bool("tls", c.tls != nil))
	return nil
}

// spareOf is how many of so many connections are for questions of health alone.
func spareOf(connections int) int { return max(2, connections/32) }

func (l limits) bound(inner net.Listener) *peers.Listener {
	spare := spareOf(l.connections)
	most := l.connections - spare
	return peers.Bound(inner, peers.Bounds{Most: most, PerPeer: min(l.perPeer, most), Spare: spare})
}

// publicServer is the TCP listener's. It knows TLS and HTTP/2 only as the web configuration has them.
func (s *Server) publicServer(on listening) *http.Server {
	h := s.httpServer(s.publicHandler(on, s.config))
	h.ErrorLog = log.New(refusedCertificates{s.logins, s.Log}, "", 0)
	h.ConnState = s.tcpListener.Note
	h.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, peers.Of(c))
	}
	h.Protocols = &http.Protocols{}
	h.Protocols.SetHTTP1(true)
	h.Protocols.SetHTTP2(s.config.get().HTTPConfig.HTTP2)
	h.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: s.limits.streams, WriteByteTimeout: s.limits.pace.Piece}
	if s.config.tls != nil {
		h.TLSConfig = &tls.Config{
			MinVersion: tls.VersionTLS12, GetConfigForClient: s.config.forClient, NextProtos: s.config.tls.NextProtos,
		}
	}
	return h
}

// tcpFault says what to do about an address that cannot be listened on.
func tcpFault(address string, err error) error {
	f := fault.Newf(fault.Permanent, fault.Setup, "listen on", "server.listen "+address, "%w", err)
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		f.Reason, f.Hint = fault.Conflict, "another program listens there, perhaps another rotatord: `ss -ltnp` names it; stop it, or give another port; \"\" turns the listener off"
	case errors.Is(err, fs.ErrPermission):
		f.Hint = "a port below 1024 needs CAP_NET_BIND_SERVICE: give a higher one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		f.Hint = "this machine has no such address now: `ip address` lists those it has; leave the host out to listen on all of them"
	case errors.As(err, &unknown):
		f.Hint = "the host's name is not known here: give an address"
	case errors.Is(err, syscall.EINVAL):
		f.Hint = "the zone of the address is no network interface of this machine: `ip link` lists those it has"
	case errors.Is(err, syscall.EAFNOSUPPORT):
		f.Hint = "this machine does not speak that version of IP"
	}
	return f
}

func (s *Server) listenAdmin() error {
	if s.AdminSocket == "" {
		return nil
	}
	l, err := listenSocket(s.AdminSocket, s.AdminSocketMode, s.AdminSocketGroup)
	if err != nil {
		return socketFault(s.AdminSocket, err)
	}
	s.adminListener = l
	s.admin = s.httpServer(s.adminHandler())
	s.admin.WriteTimeout = adminWriteTimeout
	s.admin.ConnContext = withPeer
	return nil
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	errorLog, _ := zap.NewStdLogAt(s.Log, zap.DebugLevel) // fails for unknown levels only
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.limits.header,
		ReadTimeout:       s.limits.read,
		WriteTimeout:      s.limits.write,
		IdleTimeout:       s.limits.idle,
		MaxHeaderBytes:    s.limits.headerBytes,
		ErrorLog:          errorLog,
	}
}

// Addr is the address that the TCP listener is bound to; "" without one.
func (s *Server) Addr() string {
	if s.tcpListener == nil {
		return ""
	}
	return s.tcpListener.Addr().String()
}

// Serve answers requests until Shutdown, then returns nil. An error means that
// a listener failed; the other may still be served.
func (s *Server) Serve() error {
	var running int
	failed := make(chan error, 2)
	if s.tcp != nil {
		running++
		go func() { failed <- s.serveTCP() }()
	}
	if s.admin != nil {
		running++
		go func() { failed <- s.admin.Serve(s.adminListener) }()
	}
	for range running {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
	}
	return nil
}

func (s *Server) serveTCP() error {
	if !s.config.hasTLS() {
		return s.tcp.Serve(s.tcpListener)
	}
	return s.tcp.ServeTLS(s.tcpListener, "", "")
}

// Shutdown stops listening, lets requests in hand finish until ctx ends, and
// then cuts them off. The admin socket's file is gone when it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	err := errors.Join(shutDown(ctx, s.tcp), shutDown(ctx, s.admin))
	// A server that never came to Serve does not know its listener.
	if s.tcpListener != nil {
		err = errors.Join(err, closeListener(s.tcpListener))
	}
	return errors.Join(err, closeListener(s.adminListener))
}

func shutDown(ctx context.Context, h *http.Server) error {
	if h == nil {
		return nil
	}
	if err := h.Shutdown(ctx); err != nil {
		return errors.Join(err, h.Close())
	}
	return nil
}

func closeListener(l net.Listener) error {
	if l == nil {
		return nil
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
