package etcdjournal

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// Who refuses a certificate says so and closes. A client that writes by then is told of the end, unless it reads.
func TestTheAlertBeforeAConnectionEndedIsTold(t *testing.T) {
	ca := vaulttest.NewCA(t)
	trust := ca.TLS()
	pair, err := tls.LoadX509KeyPair(ca.CertUntil(t, "rotatord", time.Now().Add(-time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	trust.Certificates = []tls.Certificate{pair}
	near, refused := refusing(t, ca)
	conn, _, err := freshTLS{read: func() (*tls.Config, error) { return trust, nil }}.ClientHandshake(t.Context(), "127.0.0.1", near)
	if err != nil {
		t.Fatal(err)
	}
	<-refused
	for err == nil { // the first one has the other side say that it is gone
		_, err = conn.Write([]byte("any"))
	}
	if !strings.Contains(err.Error(), "expired certificate") {
		t.Error(err)
	}
}

// refusing returns a connection to a server that demands a certificate, and what is closed once it has refused one.
func refusing(t *testing.T, ca *vaulttest.CA) (net.Conn, <-chan struct{}) {
	t.Helper()
	demands := ca.ServerTLS(t)
	demands.ClientAuth, demands.ClientCAs = tls.RequireAndVerifyClientCert, ca.TLS().RootCAs
	demands.NextProtos = []string{"h2"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		far, err := l.Accept()
		if err != nil {
			return
		}
		_ = tls.Server(far, demands).Handshake()
		_ = far.Close()
	}()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	return near, refused
}
