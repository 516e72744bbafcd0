package harness

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Network is what processes reach servers through: each server has one address for all of them, so that one
// configuration does for all. It tells whose a connection is, and parts single hosts from single servers. It is safe
// for concurrent use.
type Network struct {
	t      testing.TB
	mu     sync.Mutex
	change *sync.Cond // of what is parted, or over
	hosts  []*Host
	held   int // of what was said and waits
	over   bool
}

// Host is one machine of a network: one process at a time.
type Host struct {
	network *Network
	address net.IP
	pid     int
	lost    map[string]Lost // by server
}

// Lost is what does not get through between a host and a server.
type Lost uint8

// What may be lost. What is said meanwhile waits, as it does where TCP sends again.
const (
	Requests Lost = 1 << iota
	Answers
	Both = Requests | Answers
)

// NewNetwork makes a network without servers and hosts. It is gone when the test ends.
func NewNetwork(t testing.TB) *Network {
	n := &Network{t: t}
	n.change = sync.NewCond(&n.mu)
	t.Cleanup(func() { n.update(func() { n.over = true }) })
	return n
}

func (n *Network) update(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
	n.change.Broadcast()
}

// NewHost adds a host, on which nothing runs.
func (n *Network) NewHost() *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &Host{network: n, address: net.IPv4(127, 0, 0, byte(2+len(n.hosts))), lost: map[string]Lost{}}
	n.hosts = append(n.hosts, h)
	return h
}

// Address is the one that servers see the host's connections come from.
func (h *Host) Address() string { return h.address.String() }

// Runs says which process runs on the host now.
func (h *Host) Runs(p *Process) { h.network.update(func() { h.pid = p.Pid() }) }

// Part has what is lost between the host and a server wait. Neither side is told.
func (h *Host) Part(server string, lost Lost) { h.network.update(func() { h.lost[server] = lost }) }

// Join ends all that was parted.
func (h *Host) Join() { h.network.update(func() { clear(h.lost) }) }

// Front returns the address, on loopback, at which the network's hosts reach a server. What was said while they were parted
// is delivered late, or, unless late, never: the connection is gone then.
func (n *Network) Front(server, address string, late bool) string {
	n.t.Helper()
	l := Must[net.Listener](n.t)(net.Listen("tcp", "127.0.0.1:0"))
	n.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go n.connect(server, address, near, late)
		}
	}()
	return l.Addr().String()
}

// crossing is a connection through the network.
type crossing struct {
	network *Network
	host    *Host // nil: of nobody who could be parted
	server  string
	late    bool
	near    net.Conn // to the host
	far     net.Conn // to the server
}

func (n *Network) connect(server, address string, near net.Conn, late bool) {
	defer near.Close()
	c := crossing{network: n, host: n.hostOf(near), server: server, late: late, near: near}
	d := net.Dialer{Timeout: time.Second}
	if c.host != nil {
		d.LocalAddr = &net.TCPAddr{IP: c.host.address}
	}
	far, err := d.Dial("tcp", address)
	if err != nil {
		c.await(Answers)
		return
	}
	defer far.Close()
	c.far = far
	var both sync.WaitGroup
	both.Go(func() { c.carry(far, near, Requests) })
	both.Go(func() { c.carry(near, far, Answers) })
	both.Wait()
}

// carry passes on what comes from one side, and its end.
func (c *crossing) carry(to, from net.Conn, what Lost) {
	part := make([]byte, 32<<10)
	for {
		size, err := from.Read(part)
		if !c.await(what) {
			_, _ = c.near.Close(), c.far.Close()
			return
		}
		if _, failed := to.Write(part[:size]); failed != nil {
			_ = from.Close()
			return
		}
		if err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			if !errors.Is(err, io.EOF) { // a process that was killed, say
				_ = to.Close()
			}
			return
		}
	}
}

// await returns when what one side says gets through; false: the connection is gone.
func (c *crossing) await(what Lost) bool {
	n := c.network
	n.mu.Lock()
	defer n.mu.Unlock()
	waited := false
	n.held++
	for !n.over && c.host != nil && c.host.lost[c.server]&what != 0 {
		waited = true
		n.change.Wait()
	}
	n.held--
	return !n.over && (c.late || !waited)
}

// hostOf finds whose process holds the other end of a connection; nil: none of the hosts'.
func (n *Network) hostOf(near net.Conn) *Host {
	for range 20 { // a process that began just now is not known yet
		socket := socketOf(near)
		n.mu.Lock()
		for _, h := range n.hosts {
			if h.pid > 0 && holds(h.pid, socket) {
				n.mu.Unlock()
				return h
			}
		}
		n.mu.Unlock()
		Pause(n.t.Context(), 5*time.Millisecond)
	}
	return nil
}

// socketOf names the socket of the other end of a connection on loopback, as a process's descriptors name it.
func socketOf(near net.Conn) string {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return ""
	}
	defer f.Close()
	its, ours := near.RemoteAddr().(*net.TCPAddr), near.LocalAddr().(*net.TCPAddr)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[1] == inKernel(its) && fields[2] == inKernel(ours) {
			return "socket:[" + fields[9] + "]"
		}
	}
	return ""
}

// inKernel is an address of IPv4 as /proc/net/tcp writes it.
func inKernel(a *net.TCPAddr) string {
	ip := a.IP.To4()
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], a.Port)
}

func holds(pid int, socket string) bool {
	if socket == "" {
		return false
	}
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	descriptors, _ := os.ReadDir(folder)
	for _, d := range descriptors {
		if name, _ := os.Readlink(filepath.Join(folder, d.Name())); name == socket {
			return true
		}
	}
	return false
}
