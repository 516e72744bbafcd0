package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// What no client chooses for itself.
const (
	DialTimeout = 10 * time.Second // for a connection, and for the TLS handshake on it
	keepAlive   = 15 * time.Second
	idleTime    = 90 * time.Second
	// A connection of HTTP/2 on which nothing came for pingAfter is asked whether it
	// lives, and given up when it does not say so within pingWait: its peer may be gone
	// without a word, and TCP would take a quarter of an hour to find out.
	pingAfter = 5 * time.Second
	pingWait  = 5 * time.Second

	defaultPatience = 30 * time.Second
	maxHeader       = 256 << 10 // bytes
	manyIdle        = 128

	lookAfter = 5 * time.Second // between two looks at the CA file
)

// Options say what is particular to a client. The zero value serves.
type Options struct {
	TLS      *tls.Config   // nil: TLS 1.2 at least, and the system's authorities
	Patience time.Duration // for an answer to begin, and again for it to end; 0: 30 s
	// Connections bounds the connections to one host, idle ones included; 0: no bound.
	Connections int
	Idle        time.Duration // how long an unused connection is kept; 0: 90 s

	// Dial and DialTLS make connections, ended by Connect. nil: the usual way, within DialTimeout.
	Dial, DialTLS func(ctx context.Context, network, addr string) (net.Conn, error)

	// MayAct, unless it is nil, is asked before anything of a request leaves that has no mandate of its own (package
	// mandate); one that has goes by that alone. An error, which says why nothing may be done any more, then fails the
	// request, as a *fault.Error. MayAct does not block. What DialTLS returns has to lie over connections of Dialer.
	MayAct func() error
	// Free reports whether a request may leave whatever MayAct says, since it changes nothing that others
	// have. nil: none.
	Free func(*http.Request) bool
}

// Transport is an http.RoundTripper whose every step is bounded: connecting, the
// handshake, the time until an answer begins and until it ends, and its size. It is
// safe for concurrent use. Each client has one of its own, so that a server that
// answers nobody takes connections from nobody else.
type Transport struct {
	options Options
	caFile  string

	mu          sync.Mutex
	authorities *authorities // nil without caFile
	current     *http.Transport
	looking     bool
	looked      time.Time
}

// New makes a transport.
func New(o Options) *Transport {
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	t := &Transport{options: o}
	t.current = t.newSender()
	return t
}

// WithAuthorities makes a transport that believes the authorities of a PEM file alone. The
// file is read again when it changes. An empty name leaves it to the options.
func WithAuthorities(o Options, caFile string) (*Transport, error) {
	t := New(o)
	t.caFile = caFile
	_, err := t.Refresh()
	return t, err
}

// Longest is how long a call may take whose context has no end: to connect, to be
// answered and to be read.
func (t *Transport) Longest() time.Duration { return 2*DialTimeout + 2*t.options.Patience }

// newSender makes what sends, for the authorities as they are known now.
func (t *Transport) newSender() *http.Transport {
	o := t.options
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		Protocols:              o.protocols(),
		DialContext:            Dialer(o),
		DialTLSContext:         o.DialTLS,
		TLSClientConfig:        t.tlsConfig(),
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait},
		TLSHandshakeTimeout:    DialTimeout,
		ResponseHeaderTimeout:  o.Patience,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        cmp.Or(o.Idle, idleTime),
		MaxConnsPerHost:        o.Connections,
		MaxIdleConnsPerHost:    cmp.Or(o.Connections, manyIdle),
	}
}

// protocols are HTTP/1.1 and HTTP/2, or the former alone where connections are guarded.
func (o Options) protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(o.MayAct == nil)
	return p
}

// NextProtos names them as a TLS handshake does.
func (o Options) NextProtos() []string {
	if o.protocols().HTTP2() {
		return []string{"h2", "http/1.1"}
	}
	return []string{"http/1.1"}
}

func (t *Transport) tlsConfig() *tls.Config {
	c := t.options.TLS.Clone()
	if c == nil {
		c = &tls.Config{}
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if t.authorities != nil {
		c.RootCAs = t.authorities.pool
	}
	return c
}

// RoundTrip implements http.RoundTripper; answers are bounded as those of Bound.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if o := t.options; o.MayAct != nil {
		return Bound(guard{t.inForce(), o.MayAct, o.Free}, o.Patience).RoundTrip(r)
	}
	return Bound(t.inForce(), t.options.Patience).RoundTrip(r)
}

// inForce returns what sends. Now and then it has a look taken at the CA file, by somebody
// else: a file system that does not answer holds up no call.
func (t *Transport) inForce() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.caFile != "" && !t.looking && time.Since(t.looked) >= lookAfter {
		t.looking = true
		go func() { _, _ = t.Refresh() }()
	}
	return t.current
}

// Refresh takes up the authorities that the CA file holds now, and reports whether they are
// others. On an error, for a file that is missing or half written, the former ones stay in force.
func (t *Transport) Refresh() (changed bool, err error) {
	if t.caFile == "" {
		return false, nil
	}
	now, err := readAuthorities(t.caFile)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looking, t.looked = false, time.Now()
	if err != nil || now.isSame(t.authorities) {
		return false, err
	}
	t.authorities = now
	t.current.CloseIdleConnections() // those in use are closed when they become idle
	t.current = t.newSender()
	return true, nil
}

// CloseIdleConnections closes the connections that are not in use.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.CloseIdleConnections()
}
