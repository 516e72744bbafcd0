package etcdjournal

import (
	"context"
	"net"
	"time"

	"github.com/rotatord/rotatord/internal/transport"
)

// A member that is silent is left after these times. The kernel tells of a machine that is gone; of a process that
// stands still only its own answers tell, which etcd lets nobody ask for more often.
const (
	silence      = time.Second // before the kernel asks, and between two questions
	questions    = 3
	unsaid       = 3 * time.Second // that what was sent may stay unacknowledged
	pingInterval = 10 * time.Second
	pingTime     = 3 * time.Second
	longestAway  = 3 * time.Second // between two tries to reach one that is away
)

// dialMember connects to a member.
func dialMember(ctx context.Context, address string) (net.Conn, error) {
	return transport.WatchedDialer(silence, questions, unsaid).DialContext(ctx, "tcp", address)
}
