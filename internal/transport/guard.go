package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
)

// Guarded are transports with Options.MayAct: nothing of a request leaves them once another replica may act. The
// request's mandate is asked below TLS, in each Write of the connection: above it a request waits, in buffers and for
// its turn, for as long as the process stands still. Requests go over HTTP/1.1, each on a connection that it
// has to itself meanwhile, so that refusing one cuts off no other, and whose bytes they are is known. A
// connection that is not in use writes nothing, and outlives any time in which its process may not act.

// passage is one request on its way out.
type passage struct {
	mandate mandate.Mandate
	toEnd   bool            // what has begun to leave is sent to its end
	ctx     context.Context // ends with the request
	giveUp  context.CancelCauseFunc

	begun   atomic.Bool // something of it may have left
	refused atomic.Pointer[fault.Error]
}

// askForNext returns nil if the next bytes may leave now. The first of them may wait for a proof.
func (p *passage) askForNext() error {
	switch {
	case !p.begun.Load():
		return p.ask(func() error { return p.mandate.MayBegin(p.ctx) })
	case p.toEnd:
		return nil
	}
	return p.ask(p.mandate.MayAct)
}

// ask returns nil if a question finds nothing against the request. What was refused once stays so, on any connection.
func (p *passage) ask(question func() error) error {
	if f := p.refused.Load(); f != nil {
		return f
	}
	why := question()
	if why == nil {
		return nil
	}
	f := fault.HeldBack(why, p.begun.Load())
	p.refused.Store(f)
	p.giveUp(f) // or the request would be tried on each idle connection in turn
	return f
}

// use has the connection's bytes be those of p, from now on. One that goes out once more, since nothing of it left, begins
// anew.
func (p *passage) use(conn net.Conn) {
	p.begun.Store(false)
	if c := guardedConnOf(conn); c != nil {
		c.current.Store(p)
		return
	}
	p.giveUp(errors.New("the connection is not guarded; this is a fault of rotatord"))
}

// guardedConn is a connection, below TLS, that asks before each Write.
type guardedConn struct {
	net.Conn
	current atomic.Pointer[passage] // nil until its first request: a handshake changes nothing
}

// Write implements net.Conn.
func (c *guardedConn) Write(b []byte) (int, error) {
	if p := c.current.Load(); p != nil {
		if err := p.askForNext(); err != nil {
			return 0, err
		}
		p.begun.Store(true)
	}
	return c.Conn.Write(b)
}

// guardedConnOf finds the connection below TLS, be it twice, as through a proxy.
func guardedConnOf(conn net.Conn) *guardedConn {
	for {
		if c, ok := conn.(*guardedConn); ok {
			return c
		}
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = over.NetConn()
	}
}

// guard is a RoundTripper that sends over next, whose connections are guarded, what may leave.
type guard struct {
	next   http.RoundTripper
	mayAct func() error
	free   func(*http.Request) bool
}

// RoundTrip implements http.RoundTripper. It asks before it takes a connection, too, since one whose Write was refused
// is of no more use.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, giveUp := context.WithCancelCause(r.Context()) // it ends with r's, which Bound ends
	p := &passage{mandate: mandate.Of(ctx, g.mayAct), toEnd: ctx.Value(toEndKey{}) != nil, ctx: ctx, giveUp: giveUp}
	if g.free != nil && g.free(r) {
		p.mandate = mandate.Mandate{}
	}
	if err := p.ask(p.mandate.MayAct); err != nil {
		closeBody(r)
		return nil, err
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { p.use(got.Conn) },
	})
	answer, err := g.next.RoundTrip(r.WithContext(ctx))
	if f := p.refused.Load(); err != nil && f != nil {
		err = f
	}
	return answer, err
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

type toEndKey struct{}

// ToItsEnd returns ctx for a request that is sent to its end once it has begun to leave, whatever MayAct says
// by then: what was carried out of it has to be known.
func ToItsEnd(ctx context.Context) context.Context { return context.WithValue(ctx, toEndKey{}, true) }
