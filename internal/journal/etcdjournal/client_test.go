package etcdjournal

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

func TestWhyEtcdCannotBeReachedIsTold(t *testing.T) {
	const brief = 3 * time.Second // and long enough to be refused
	ca, other := vaulttest.NewCA(t), vaulttest.NewCA(t)
	w := newWorld(t, 1, etcdtest.TLS(ca.TLS(), func(host string) (string, string) { return ca.ClientCert(t, host) }))
	s, err := w.tryAccess(t, ca.TLS(), patience)
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, s, 1, 1)
	_, err = w.tryAccess(t, other.TLS(), brief)
	expectFault(t, err, fault.Retry, fault.Storage, "open journal", "unknown authority", w.Members[0].Endpoint, "ca_file")
	w.Members[0].Kill()
	_, err = w.tryAccess(t, ca.TLS(), brief)
	expectFault(t, err, fault.Retry, fault.Storage, "connection refused", w.Members[0].Endpoint, "endpoints of state.etcd")
	_, err = Dial(Access{})
	expectFault(t, err, fault.Retry, fault.Storage, "open journal")
}

func TestWhoseCertificateHasExpiredIsTold(t *testing.T) {
	ca := vaulttest.NewCA(t)
	shows := func(end time.Time) *tls.Config {
		trust := ca.TLS()
		pair, err := tls.LoadX509KeyPair(ca.CertUntil(t, "rotatord", end))
		if err != nil {
			t.Fatal(err)
		}
		trust.Certificates = []tls.Certificate{pair}
		return trust
	}
	good, ended := shows(time.Now().Add(time.Hour)), shows(time.Now().Add(-time.Minute))
	w := newWorld(t, 1, etcdtest.ClientCerts(ca.File), etcdtest.TLS(good, func(host string) (string, string) { return ca.ClientCert(t, host) }))
	if _, err := w.tryAccess(t, good, patience); err != nil {
		t.Fatal(err)
	}
	_, err := w.tryAccess(t, ended, time.Second)
	expectFault(t, err, fault.Retry, fault.Storage, "expired certificate", "the certificate in cert_file of state.etcd has expired")
	_, err = w.tryAccess(t, ca.TLS(), time.Second)
	expectFault(t, err, fault.Retry, fault.Storage, "certificate required", "etcd refuses this replica's certificate")
}

// tryAccess opens a store that waits no longer than so.
func (w world) tryAccess(t *testing.T, trust *tls.Config, patience time.Duration) (*Store, error) {
	t.Helper()
	client, err := Dial(Access{Endpoints: w.Endpoints(), TLS: func() (*tls.Config, error) { return trust, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	o := Options{Prefix: w.prefix, Keys: []secret.Value{w.key}, limits: limits{patience: patience}}
	return Open(t.Context(), client, o)
}

func TestAnAuthorityThatIsReplacedIsBelievedFromTheNextConnectionOn(t *testing.T) {
	former, next := vaulttest.NewCA(t), vaulttest.NewCA(t)
	var cert, key string
	w := newWorld(t, 1, etcdtest.TLS(former.TLS(), func(host string) (string, string) {
		cert, key = former.ClientCert(t, host)
		return cert, key
	}))
	var trust atomic.Pointer[vaulttest.CA]
	trust.Store(former)
	client, err := Dial(Access{Endpoints: w.Endpoints(), TLS: func() (*tls.Config, error) { return trust.Load().TLS(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	s, err := w.tryOpen(t, client, Options{Term: w.lead(t, w.Client)})
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, s, 1, 1)
	member := w.Members[0]
	member.Kill()
	host, _, _ := net.SplitHostPort(strings.TrimPrefix(member.Endpoint, "https://"))
	nextCert, nextKey := next.ClientCert(t, host)
	if err := errors.Join(os.Rename(nextCert, cert), os.Rename(nextKey, key)); err != nil {
		t.Fatal(err)
	}
	trust.Store(next)
	member.Run(t)
	mustSave(t, s, 1, 2)
}

// A machine that is gone says nothing; the kernel tells of it in seconds.
func TestTheKernelIsAskedToNoticeAMemberThatIsGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := dialMember(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{
		unix.TCP_KEEPIDLE: 1, unix.TCP_KEEPINTVL: 1, unix.TCP_KEEPCNT: 3, unix.TCP_USER_TIMEOUT: 3000,
	} {
		if err := raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil || got != want {
				t.Errorf("option %d is %d (%v), want %d", option, got, err, want)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}
