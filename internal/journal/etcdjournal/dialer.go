package etcdjournal

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A member that is silent is left after these times. The kernel tells of a machine that is gone; of a process that
// stands still only its own answers tell, which etcd lets nobody ask for more often.
const (
	silence      = time.Second // before the kernel asks, and between two questions
	questions    = 3
	unsaid       = 3 * time.Second // that what was sent may stay unacknowledged
	pingInterval = 10 * time.Second
	pingTime     = 3 * time.Second
)

// dialMember connects to a member.
func dialMember(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence, Interval: silence, Count: questions},
		Control:         limitUnacknowledged,
	}
	return d.DialContext(ctx, "tcp", address)
}

// limitUnacknowledged sets for how long the other side may acknowledge nothing of what was sent.
func limitUnacknowledged(_, _ string, c syscall.RawConn) (err error) {
	control := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unsaid.Milliseconds()))
	})
	if control != nil {
		return control
	}
	return err
}
