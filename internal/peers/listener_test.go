package peers

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stub is a connection that remembers whether it was closed.
type stub struct {
	net.Conn
	from   string
	closed bool
}

func (s *stub) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s.from)) }
func (s *stub) Close() error         { s.closed = true; return nil }

// queue is a listener at which connections wait.
type queue struct {
	net.Listener
	next net.Conn
}

func (q *queue) Accept() (net.Conn, error) { return q.next, nil }
func (q *queue) Close() error              { return nil }

// hall is a Listener under test, with who came by name.
type hall struct {
	t     *testing.T
	l     *Listener
	in    *queue
	stubs map[string]*stub
	conns map[string]*Conn
}

func newHall(t *testing.T, b Bounds) *hall {
	q := &queue{}
	return &hall{t, Bound(q, b), q, map[string]*stub{}, map[string]*Conn{}}
}

// comes lets a connection in, from the address before the slash of its name.
func (h *hall) comes(names ...string) {
	h.t.Helper()
	for _, name := range names {
		from, _, _ := strings.Cut(name, "/")
		h.stubs[name] = &stub{from: from + ":" + fmt.Sprint(1000+len(h.stubs))}
		h.in.next = h.stubs[name]
		c, err := h.l.Accept()
		if err != nil {
			h.t.Fatal(err)
		}
		h.conns[name] = c.(*Conn)
	}
}

func (h *hall) is(s http.ConnState, names ...string) {
	for _, name := range names {
		h.l.Note(h.conns[name], s)
	}
}

// expect compares who was put out, and who has spare connections.
func (h *hall) expect(closed, spare string) {
	h.t.Helper()
	var out, beside []string
	for name, s := range h.stubs {
		if s.closed {
			out = append(out, name)
		}
		if h.conns[name].IsSpare() {
			beside = append(beside, name)
		}
	}
	slices.Sort(out)
	slices.Sort(beside)
	if strings.Join(out, " ") != closed || strings.Join(beside, " ") != spare {
		h.t.Errorf("put out %v, spare %v; want %q, %q", out, beside, closed, spare)
	}
}

func TestAFullListenerClosesTheConnectionThatIsIdleForTheLongest(t *testing.T) {
	h := newHall(t, Bounds{Most: 3, PerPeer: 3, Spare: 4})
	h.comes("1.1.1.1/a", "2.2.2.2/b", "3.3.3.3/c")
	h.is(http.StateActive, "1.1.1.1/a")
	h.is(http.StateIdle, "1.1.1.1/a") // since then
	h.is(http.StateActive, "2.2.2.2/b")
	h.comes("4.4.4.4/d")
	h.expect("3.3.3.3/c", "")
	h.comes("5.5.5.5/e")
	h.expect("1.1.1.1/a 3.3.3.3/c", "")
}

func TestAPeerThatHasItsShareMakesRoomItself(t *testing.T) {
	h := newHall(t, Bounds{Most: 10, PerPeer: 2, Spare: 4})
	h.comes("1.1.1.1/a", "2.2.2.2/b", "2.2.2.2/c", "2.2.2.2/d")
	h.expect("2.2.2.2/b", "")
	h.is(http.StateActive, "2.2.2.2/c", "2.2.2.2/d")
	h.comes("2.2.2.2/e", "3.3.3.3/f")
	h.expect("2.2.2.2/b", "2.2.2.2/e")
}

func TestWhereNobodyIsIdleANewcomerHasASpareConnectionAndSoHasTheNext(t *testing.T) {
	h := newHall(t, Bounds{Most: 2, PerPeer: 2, Spare: 4})
	h.comes("1.1.1.1/a", "2.2.2.2/b")
	h.is(http.StateActive, "1.1.1.1/a", "2.2.2.2/b")
	h.comes("3.3.3.3/c", "3.3.3.3/d") // a peer has a quarter of what is spare
	h.expect("3.3.3.3/c", "3.3.3.3/c 3.3.3.3/d")
	h.comes("4.4.4.4/e", "5.5.5.5/f", "6.6.6.6/g", "7.7.7.7/h")
	h.expect("3.3.3.3/c 3.3.3.3/d", "3.3.3.3/c 3.3.3.3/d 4.4.4.4/e 5.5.5.5/f 6.6.6.6/g 7.7.7.7/h")
}

func TestAConnectionThatIsClosedMakesRoom(t *testing.T) {
	h := newHall(t, Bounds{Most: 1, PerPeer: 1, Spare: 1})
	h.comes("1.1.1.1/a")
	h.is(http.StateActive, "1.1.1.1/a")
	_ = h.conns["1.1.1.1/a"].Close()
	h.comes("1.1.1.1/b")
	h.expect("1.1.1.1/a", "")
}

func TestWhoIsIdleIsPutOutWhenTheListenerCloses(t *testing.T) {
	h := newHall(t, Bounds{Most: 9, PerPeer: 9, Spare: 4})
	h.comes("1.1.1.1/a", "2.2.2.2/b", "3.3.3.3/c")
	h.is(http.StateActive, "2.2.2.2/b", "3.3.3.3/c")
	h.is(http.StateIdle, "3.3.3.3/c")
	_ = h.l.Close()
	h.expect("1.1.1.1/a 3.3.3.3/c", "")
}

func TestTheKernelKeepsLittleOfWhatIsNotRead(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Bound(inner, Bounds{Most: 1, PerPeer: 1, Spare: 1})
	defer func() { _ = l.Close() }()
	ours, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*Conn).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size, kernels := 0, 2*sendBuffer // which counts its own needs
	if ctl := raw.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) }); ctl != nil || err != nil {
		t.Fatal(ctl, err)
	}
	if size > kernels || size == 0 {
		t.Errorf("it keeps %d bytes", size)
	}
}

func TestAPeerIsAnAddressOrANetworkOf64Bits(t *testing.T) {
	for ip, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "::1": "::1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := networkOf(netip.MustParseAddr(ip)).String(); got != want {
			t.Errorf("%s is of %s, want %s", ip, got, want)
		}
	}
}

// A bound of none leaves one, which goes to the latest newcomer; without a least share each peer would have one.
func TestWithoutSpareConnectionsOneAloneIsBeyondTheRoom(t *testing.T) {
	h := newHall(t, Bounds{Most: 1, PerPeer: 1})
	for _, name := range []string{"1.1.1.1/a", "2.2.2.2/b", "3.3.3.3/c", "4.4.4.4/d"} {
		h.comes(name)
		h.is(http.StateActive, name)
	}
	h.expect("2.2.2.2/b 3.3.3.3/c", "2.2.2.2/b 3.3.3.3/c 4.4.4.4/d")
}
