package transport

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialFunc makes connections.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Dialer returns how a transport with o connects, for who speaks TLS on its connections himself.
func Dialer(o Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := dialFunc(o.Dial)
	switch {
	case dial == nil && o.MayAct == nil:
		dial = (&net.Dialer{Timeout: DialTimeout, KeepAlive: keepAlive}).DialContext
	case dial == nil:
		dial = watchedDialer().DialContext
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

// watchedDialer has the kernel find out that a peer is gone, as soon as HTTP/2's questions would. What was sent,
// and lies in its buffers, does not arrive later than that either.
func watchedDialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         DialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingAfter, Interval: pingWait, Count: 1},
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			if e := c.Control(func(fd uintptr) { err = limitUnacknowledged(int(fd), pingAfter+pingWait) }); e != nil {
				return e
			}
			return err
		},
	}
}

// limitUnacknowledged sets for how long the other side may acknowledge nothing of what was sent.
func limitUnacknowledged(fd int, d time.Duration) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
