package leadership

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
)

// A candidate waits for what etcd does after a revision. An etcd that was restored from a snapshot has gone back behind it,
// and says nothing of what it does until then.
func TestACandidateThatARestoredEtcdPassesOverIsOneAnew(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	member := cluster.Members[0]
	long := candidate(t, cluster, "leader")
	long.Length = time.Hour
	leader := mustLead(t, long)
	ctx, giveUp := context.WithCancel(t.Context())
	between := campaign(ctx, t, candidate(t, cluster, "between"), cluster, 2)
	last, line := candidate(t, cluster, "last"), &line{}
	last.Client = line.connect(t, cluster)
	next := campaign(t.Context(), t, last, cluster, 3)
	member.Kill()
	putBack := member.Keep(t)
	member.Run(t)
	later := put(t, cluster, 20)
	giveUp()
	_ = await(t, between)
	eventually(t, "the last one waits for the leader", func() bool { return line.waitsFrom.Load() > later })
	line.cut.Store(true)
	member.Kill()
	putBack()
	member.Run(t)
	_ = cards(t, cluster)
	line.cut.Store(false)
	if err := leader.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := await(t, next); !errors.Is(o.err, ErrOver) || !strings.Contains(o.err.Error(), "snapshot") {
		t.Fatalf("it ended with %v", o.err)
	}
	mustLead(t, last)
}

// put writes something else, so many times, and returns at which revision the last was.
func put(t *testing.T, cluster *etcdtest.Cluster, times int) (revision int64) {
	t.Helper()
	for range times {
		answer, err := cluster.Client.Put(t.Context(), "/elsewhere", "")
		if err != nil {
			t.Fatal(err)
		}
		revision = answer.Header.Revision
	}
	return revision
}

// line is what a client is connected by.
type line struct {
	cut       atomic.Bool  // no connection is made
	waitsFrom atomic.Int64 // the revision that the latest watch began with
}

func (l *line) connect(t *testing.T, cluster *etcdtest.Cluster) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: cluster.Endpoints(), Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(l.dial), grpc.WithStreamInterceptor(l.open)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func (l *line) dial(ctx context.Context, address string) (net.Conn, error) {
	if l.cut.Load() {
		return nil, errors.New("the line is cut")
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

func (l *line) open(
	ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := open(ctx, d, cc, method, o...)
	return heardStream{stream, l}, err
}

type heardStream struct {
	grpc.ClientStream
	line *line
}

func (s heardStream) SendMsg(m any) error {
	if r, ok := m.(*etcdserverpb.WatchRequest); ok && r.GetCreateRequest() != nil {
		s.line.waitsFrom.Store(r.GetCreateRequest().StartRevision)
	}
	return s.ClientStream.SendMsg(m)
}
