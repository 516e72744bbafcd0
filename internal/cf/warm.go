package cf

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/transport"
)

const (
	dialTimeout = transport.DialTimeout
	idleTime    = 5 * time.Minute
	coldAfter   = 30 * time.Second // without a request, connections may be gone
	warmFor     = 15 * time.Second // a connection made ahead waits so long for its call
)

// Warm opens a connection to Cloudflare, if none is likely to be open, so that the
// next call does not wait for a handshake. It sends no request. Trouble is left
// for that call to meet; through a proxy, and without TLS, nothing is done.
func (c *Client) Warm(ctx context.Context) {
	if c.dialer == nil || c.base.Scheme != "https" || goesThroughProxy(c.base) || !c.dialer.claimIfCold() {
		return
	}
	port := c.base.Port()
	if port == "" {
		port = "443"
	}
	c.dialer.dialAhead(ctx, net.JoinHostPort(c.base.Hostname(), port))
}

func goesThroughProxy(u *url.URL) bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return proxy != nil || err != nil
}

// dialer makes TLS connections, one of them perhaps ahead of its use. It is safe
// for concurrent use.
type dialer struct {
	connect func(ctx context.Context, network, addr string) (net.Conn, error)
	Config  *tls.Config

	mu    sync.Mutex
	used  time.Time // when a request was sent last
	addr  string
	ahead net.Conn // nil when none waits
	timer *time.Timer
}

// newTransport sends over connections of d, which it makes, too.
func (o Options) newTransport() (*dialer, *transport.Transport) {
	to := transport.Options{
		Idle: idleTime, Patience: callTimeout, MayAct: o.MayAct,
		Connections: min(cmp.Or(o.Connections, maxConnections), maxConnections),
	}
	d := &dialer{
		connect: transport.Dialer(to), Config: &tls.Config{NextProtos: to.NextProtos(), MinVersion: tls.VersionTLS12},
	}
	to.DialTLS = d.DialTLS
	return d, transport.New(to)
}

// DialTLS returns the connection that was made ahead, or else makes one.
func (d *dialer) DialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	if conn := d.takeAhead(addr); conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return d.dialTLS(ctx, network, addr)
}

func (d *dialer) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	plain, err := d.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	config := d.Config.Clone()
	config.ServerName, _, _ = net.SplitHostPort(addr)
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return conn, nil
}

func (d *dialer) dialAhead(ctx context.Context, addr string) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := d.dialTLS(ctx, "tcp", addr)
	if err != nil {
		return
	}
	d.dropAhead()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addr, d.ahead, d.timer = addr, conn, time.AfterFunc(warmFor, d.dropAhead)
}

func (d *dialer) takeAhead(addr string) (conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ahead == nil || d.addr != addr {
		return nil
	}
	conn, d.ahead = d.ahead, nil
	d.timer.Stop()
	return conn
}

// dropAhead closes a connection that nobody came for.
func (d *dialer) dropAhead() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ahead != nil {
		_ = d.ahead.Close()
		d.ahead = nil
	}
}

// noteSent notes that a request goes out, on a connection that is then open.
func (d *dialer) noteSent() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used = time.Now()
}

// claimIfCold reports whether no connection is likely to be open or on its way, and counts
// on the caller to make one.
func (d *dialer) claimIfCold() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ahead != nil || time.Since(d.used) < coldAfter {
		return false
	}
	d.used = time.Now()
	return true
}
