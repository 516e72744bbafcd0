package transport

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Dialer returns how a transport with o connects, for who speaks TLS on its connections himself.
func Dialer(o Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := o.Dial
	switch {
	case dial == nil && o.MayAct == nil:
		dial = (&net.Dialer{Timeout: DialTimeout, KeepAlive: keepAlive}).DialContext
	case dial == nil: // the kernel finds out that a peer is gone as soon as HTTP/2 would
		d := WatchedDialer(pingAfter, 1, pingAfter+pingWait)
		d.Timeout = DialTimeout
		dial = d.DialContext
	}
	if o.MayAct == nil {
		return dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &guardedConn{Conn: conn}, nil
	}
}

// WatchedDialer has the kernel find out that the other side is gone. After silence it asks so many questions, as far
// apart; what was sent stays unacknowledged for no longer than unsaid, and so arrives no later than that.
func WatchedDialer(silence time.Duration, questions int, unsaid time.Duration) *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence, Interval: silence, Count: questions},
		Control:         func(_, _ string, c syscall.RawConn) error { return limitUnacknowledged(c, unsaid) },
	}
}

// limitUnacknowledged sets for how long the other side may acknowledge nothing of what was sent.
func limitUnacknowledged(c syscall.RawConn, unsaid time.Duration) (err error) {
	control := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unsaid.Milliseconds()))
	})
	if control != nil {
		return control
	}
	return err
}
