package etcdjournal

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy passes connections on.
type proxy struct {
	address string
	silent  atomic.Bool // answers go nowhere
	away    atomic.Bool // nobody is let in

	mu    sync.Mutex
	conns []net.Conn
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String()}
	t.Cleanup(func() { _ = l.Close(); p.cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err == nil && p.away.Load() {
				_ = far.Close()
				err = net.ErrClosed
			}
			if err != nil {
				_ = near.Close()
				continue
			}
			p.pass(near, far)
		}
	}()
	return p
}

func (p *proxy) pass(near, far net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, near, far)
	go func() { _, _ = io.Copy(far, near) }()
	go func() { _, _ = io.Copy(answers{near, p}, far) }()
}

// answers are written to the client, or nowhere.
type answers struct {
	net.Conn
	proxy *proxy
}

func (a answers) Write(b []byte) (int, error) {
	if a.proxy.silent.Load() {
		return len(b), nil
	}
	return a.Conn.Write(b)
}

// swallow lets requests through, and no answer.
func (p *proxy) swallow() { p.silent.Store(true) }

// cut closes all connections; new ones are as good as any.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	p.silent.Store(false)
}
