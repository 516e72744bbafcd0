package etcdjournal

import (
	"context"
	"crypto/tls"
	"net"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/internal/secret"
)

// Access says how etcd is reached.
type Access struct {
	Endpoints []string // https://host:port, of each member
	Username  string
	Password  secret.Value

	// TLS is asked for each connection anew, as certificates and authorities are replaced while rotatord runs. Nil: https
	// endpoints are checked with the system's authorities.
	TLS func() (*tls.Config, error)
}

// Dial makes a client. With a name and a password it logs in, and that can fail; else it returns at once, and the first
// call finds out whether etcd can be reached.
func Dial(a Access) (*clientv3.Client, error) { return dialWith(a) }

func dialWith(a Access, more ...grpc.DialOption) (*clientv3.Client, error) {
	if a.TLS != nil && len(a.Endpoints) > 0 && strings.HasPrefix(a.Endpoints[0], "https://") { // the client goes by the first, too
		more = append(more, grpc.WithTransportCredentials(freshTLS{credentials.NewTLS(nil), a.TLS}))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: a.Endpoints, Username: a.Username, Password: a.Password.Reveal(),
		DialTimeout: callTime, DialKeepAliveTime: pingInterval, DialKeepAliveTimeout: pingTime,
		DialOptions: append(more, grpc.WithContextDialer(dialMember), grpc.WithConnectParams(reconnecting()),
			grpc.WithChainUnaryInterceptor(tellWhy)),
		Logger: zap.NewNop(), // what is wrong, errors say
	})
	if err != nil {
		return nil, faultAt(opening, a.Endpoints, "", err)
	}
	return client, nil
}

// freshTLS makes each connection with what there is by then.
type freshTLS struct {
	credentials.TransportCredentials // says of what kind they are
	read                             func() (*tls.Config, error)
}

// ClientHandshake implements credentials.TransportCredentials.
func (f freshTLS) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, err := f.read()
	if err != nil {
		return nil, nil, err
	}
	secured, info, err := credentials.NewTLS(c).ClientHandshake(ctx, authority, conn)
	if err != nil {
		return nil, nil, err
	}
	return alertedConn{secured}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (f freshTLS) Clone() credentials.TransportCredentials { return f }

// reconnecting is how a member that is away is tried again: within seconds of its return. gRPC's own way is up to two
// minutes, in which the others may be restarted, too.
func reconnecting() grpc.ConnectParams {
	b := backoff.DefaultConfig
	b.BaseDelay, b.MaxDelay = firstRest, longestAway
	return grpc.ConnectParams{Backoff: b, MinConnectTimeout: callTime}
}

// tellWhy has a call that waited for a connection in vain say why there was none. The client's own error is that time
// was up, and no more.
func tellWhy(
	ctx context.Context, method string, request, reply any, to *grpc.ClientConn, call grpc.UnaryInvoker, o ...grpc.CallOption,
) error {
	err := call(ctx, method, request, reply, to, o...)
	if s, ok := status.FromError(err); ok && s.Code() == codes.DeadlineExceeded && strings.Contains(s.Message(), saidBefore) {
		return noConnection(s.Message())
	}
	return err
}

// saidBefore is what gRPC says before the reason why there is no connection.
const saidBefore = "latest balancer error: "

// noConnection is a context.DeadlineExceeded that says what was waited for.
type noConnection string

// Error says why there was no connection, as far as gRPC tells.
func (e noConnection) Error() string {
	_, why, _ := strings.Cut(string(e), saidBefore)
	return "no connection: " + why
}

// Is makes it a context.DeadlineExceeded.
func (noConnection) Is(target error) bool { return target == context.DeadlineExceeded }
