// Package peers bounds the connections of an HTTP listener, in all and for each peer, so that
// nobody keeps others out.
//
// A peer is an address, or an IPv6 network of 64 bits, since whoever has one address there has all.
// Where there is no room for a newcomer, the connection that is idle for the longest makes it; one
// that has not sent a whole request is idle, so that opening connections and saying nothing gains
// nobody anything. Where none is idle, the newcomer is spare: it is let in beyond the bounds, and
// its server answers it questions of health alone (Conn.IsSpare), for a monitor must learn that the
// daemon lives.
//
// Bound wraps a net.Listener; its server's ConnState must be Listener.Note, by which it knows who
// is idle.
package peers

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// Bounds are how many connections a listener has at a time.
type Bounds struct {
	Most    int // in all
	PerPeer int // of one address; of an IPv6 network of 64 bits
	Spare   int // beyond those, for who comes when there is no room
}

// sendBuffer is what the kernel keeps of an answer for a peer that does not read. By itself it would keep megabytes.
const sendBuffer = 256 << 10

// Listener is a net.Listener within Bounds. Its server's ConnState must be Note. It is safe for
// concurrent use.
type Listener struct {
	net.Listener
	bounds Bounds

	mu   sync.Mutex
	open map[*Conn]bool
	seq  uint64
}

// Bound returns l within bounds.
func Bound(l net.Listener, b Bounds) *Listener {
	return &Listener{Listener: l, bounds: b, open: map[*Conn]bool{}}
}

// Conn is a connection of a Listener.
type Conn struct {
	net.Conn
	listener *Listener
	peer     netip.Addr
	spare    bool

	idle  bool   // guarded by Listener.mu
	since uint64 // when it became idle or busy, in the order of such changes; guarded by Listener.mu
}

// IsSpare reports whether the connection was let in though there was no room.
func (c *Conn) IsSpare() bool { return c.spare }

// Close closes the connection and makes room for another.
func (c *Conn) Close() error {
	c.listener.forget(c)
	return c.Conn.Close()
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // else the kernel's own bound holds
	}
	c := &Conn{Conn: conn, listener: l, peer: peerOf(conn)}
	if out := l.admit(c); out != nil {
		_ = out.Conn.Close()
	}
	return c, nil
}

// Close stops listening, and closes the connections that are idle: http.Server waits for seconds for those that never
// asked for anything.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	for _, c := range l.idle() {
		_ = c.Conn.Close()
	}
	return err
}

func (l *Listener) idle() (all []*Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if c.idle {
			all = append(all, c)
		}
	}
	return all
}

// admit takes a connection in, and returns the one that made room; nil when there was.
func (l *Listener) admit(c *Conn) (out *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark(c, true)
	all, ofPeer := l.count(func(o *Conn) bool { return !o.spare }, c.peer)
	among := func(o *Conn) bool { return !o.spare && o.idle && (ofPeer < l.bounds.PerPeer || o.peer == c.peer) }
	if all >= l.bounds.Most || ofPeer >= l.bounds.PerPeer {
		if out = l.first(among); out == nil {
			c.spare, out = true, l.spareFor(c.peer)
		}
	}
	delete(l.open, out)
	l.open[c] = true
	return out
}

// spareFor returns which of the spare connections makes room for another of a peer; nil when there is.
func (l *Listener) spareFor(peer netip.Addr) *Conn {
	each := max(1, l.bounds.Spare/4)
	all, ofPeer := l.count((*Conn).IsSpare, peer)
	switch {
	case ofPeer >= each:
		return l.first(func(o *Conn) bool { return o.spare && o.peer == peer })
	case all >= l.bounds.Spare:
		return l.first((*Conn).IsSpare)
	}
	return nil
}

// count returns how many connections are of a kind, in all and of a peer. l.mu is held.
func (l *Listener) count(kind func(*Conn) bool, peer netip.Addr) (all, ofPeer int) {
	for c := range l.open {
		if !kind(c) {
			continue
		}
		all++
		if c.peer == peer {
			ofPeer++
		}
	}
	return all, ofPeer
}

// first returns the connection of a kind that is as it is for the longest. l.mu is held.
func (l *Listener) first(kind func(*Conn) bool) (found *Conn) {
	for c := range l.open {
		if kind(c) && (found == nil || c.since < found.since) {
			found = c
		}
	}
	return found
}

// mark notes that a connection became idle or busy. l.mu is held.
func (l *Listener) mark(c *Conn, idle bool) {
	l.seq++
	c.idle, c.since = idle, l.seq
}

func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// Note is the server's ConnState. One whose request is not read yet is as idle as one between two requests.
func (l *Listener) Note(conn net.Conn, s http.ConnState) {
	if c := Of(conn); c != nil && (s == http.StateActive || s == http.StateIdle) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mark(c, s == http.StateIdle)
	}
}

// Of returns the Conn that a connection is or, with TLS, goes over; nil where there is none.
func Of(conn net.Conn) *Conn {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	c, _ := conn.(*Conn)
	return c
}

func peerOf(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return networkOf(tcp.AddrPort().Addr())
}

// networkOf returns what is one peer: a network of 64 bits is often one machine's.
func networkOf(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.Is6() || ip.IsLoopback() {
		return ip
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return ip
	}
	return network.Masked().Addr()
}
