// Package web is rotatord's face: the status page, the API, health, metrics
// and the admin socket. It reads and asks through the Daemon interface and
// knows no token's value.
package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"golang.org/x/net/netutil"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/limit"
	"github.com/rotatord/rotatord/internal/slot"
)

// Daemon is what the pages and the API show and ask for. All methods are safe
// for concurrent use. Errors are written for people; a *fault.Error also
// chooses the HTTP status. relay and typ come from a URL and may name nothing.
type Daemon interface {
	// Slots visits every slot, by relay, then type. The *Status is valid during its yield only; yields
	// do no I/O, so the daemon may hold a lock.
	Slots(yield func(*slot.Status) bool)
	// Slot gives one slot's status, a copy.
	Slot(relay, typ string) (slot.Status, bool)
	// Rotate makes a request by somebody for a rotation durable and returns at once.
	Rotate(ctx context.Context, relay, typ, by string, compromised bool) (slot.Status, error)
	// History gives at most limit events, newest first: of all slots when relay is
	// empty, of a relay's when typ is.
	History(ctx context.Context, relay, typ string, limit int) ([]slot.Event, error)
	// Tokens lists what a relay holds.
	Tokens(ctx context.Context, relay string) ([]adminapi.Token, error)
	// Prune revokes, or with dryRun only lists, former tokens of this installation: all, or those with the ids.
	Prune(ctx context.Context, relay string, ids []string, dryRun bool) ([]adminapi.Token, error)
	// Plan lists the runs within the given time from now, soonest first, bounded in number.
	Plan(within time.Duration) []adminapi.PlannedRun
	// Reload reads the configuration again, and tells what of it does not work as
	// things are; on an error nothing has changed.
	Reload(ctx context.Context) (warnings []string, err error)
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

	AdminSocket      string      // path; "" for none
	AdminSocketMode  fs.FileMode // permission bits; zero means 0600
	AdminSocketGroup string      // name or id; "" leaves it

	Now func() time.Time // nil means time.Now
}

// Server serves the TCP listener and the admin socket. Listen, Serve and
// Shutdown are each called once, in that order.
type Server struct {
	Options
	limits limits
	pages  *pages
	scans  *limit.Limiter // requests that look at every slot; left before one is answered: a slow reader keeps nobody out

	tcp, admin                 *http.Server
	tcpListener, adminListener net.Listener
}

// limits bound what one client can take.
type limits struct {
	header, read, write, idle time.Duration
	headerBytes               int
	bodyBytes                 int64
	connections               int // of the TCP listener
	scans                     int // requests that look at every slot, at once
}

func defaultLimits() limits {
	return limits{
		header: 5 * time.Second, read: 15 * time.Second, write: time.Minute, idle: 2 * time.Minute,
		headerBytes: 32 << 10, bodyBytes: 64 << 10, connections: 512, scans: 4,
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
	l := defaultLimits()
	l.connections = cmp.Or(o.Connections, l.connections)
	return &Server{Options: o, limits: l, pages: newPages(), scans: limit.New(l.scans)}
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
	if err := toolkit.Validate(s.WebConfigFile); err != nil {
		return fmt.Errorf("server.web_config_file %s: %w", s.WebConfigFile, err)
	}
	l, err := net.Listen("tcp", s.Options.Listen)
	if err != nil {
		return tcpFault(s.Options.Listen, err)
	}
	s.tcpListener = l
	s.tcp = s.httpServer(s.publicHandler(isLoopback(l.Addr())))
	return nil
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
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12}, // the web configuration's replaces it
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
	log := slog.New(zapslog.NewHandler(s.Log.Core(), zapslog.WithName("web")))
	flags := &toolkit.FlagConfig{WebConfigFile: &s.WebConfigFile}
	return toolkit.Serve(netutil.LimitListener(s.tcpListener, s.limits.connections), s.tcp, flags, log)
}

// Shutdown stops listening, lets requests in hand finish until ctx ends, and
// then cuts them off. The admin socket's file is gone when it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	err := errors.Join(shutDown(ctx, s.tcp), shutDown(ctx, s.admin))
	// A server that never came to Serve does not know its listener.
	return errors.Join(err, closeListener(s.tcpListener), closeListener(s.adminListener))
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
