package e2e

import (
	"crypto/tls"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/test/harness"
)

// A certificate ends while rotatord leads: the next connection fails. Who leads says whose certificate it is and what to
// do, and leads again once another one is there.
func TestACertificateThatEndsUnderALeaderIsToldAndReplaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ends func(*certified) certificate
		says []string
	}{
		"etcd's": {
			func(c *certified) certificate { return c.etcds },
			[]string{"certificate has expired", "put a new certificate into etcd's --cert-file"},
		},
		"rotatord's": {
			func(c *certified) certificate { return c.ours },
			[]string{"expired certificate", "the certificate in cert_file of state.etcd has expired: put a new one there"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCertified(t)
			d := w.startLeader()
			d.rotatord("rotate", "live/subscribe").Expect(t, 0)
			it := c.ends(w)
			it.renew(t, w.ca, time.Now().Add(-time.Minute))
			w.cutOff(t)
			d.unready(c.says...)
			d.says(append([]string{"cannot lead"}, c.says...)...)
			w.rotatord("check", "--online").Expect(t, 1, c.says...)
			it.renew(t, w.ca, time.Now().Add(time.Hour))
			d.ready()
			d.rotatord("rotate", "live/subscribe").Expect(t, 0)
		})
	}
}

// certified is a world whose etcd and rotatord show each other certificates.
type certified struct {
	*world
	ca          *vaulttest.CA
	member      *etcdtest.Member
	etcds, ours certificate
}

func newCertified(t *testing.T) *certified {
	t.Helper()
	w := &certified{world: newWorld(t, 1), ca: vaulttest.NewCA(t)}
	w.ours = newCertificate(t, w.ca, "rotatord")
	trust := w.ca.TLS()
	trust.Certificates = []tls.Certificate{harness.Must[tls.Certificate](t)(tls.LoadX509KeyPair(w.ours.cert, w.ours.key))}
	etcd := etcdtest.Start(t, 1, etcdtest.ClientCerts(w.ca.File), etcdtest.TLS(trust, func(host string) (string, string) {
		w.etcds = newCertificate(t, w.ca, host)
		return w.etcds.cert, w.etcds.key
	}))
	w.member = etcd.Members[0]
	w.shareEtcd(etcd)
	w.etcd += fmt.Sprintf(", ca_file: %s, cert_file: %s, key_file: %s", w.ca.File, w.ours.cert, w.ours.key)
	w.configure(settings{Disk: ", shared: true"})
	return w
}

// cutOff ends all connections to etcd.
func (w *certified) cutOff(t *testing.T) {
	t.Helper()
	w.member.Kill()
	w.member.Run(t)
}

// certificate is in two files.
type certificate struct{ name, cert, key string }

func newCertificate(t *testing.T, ca *vaulttest.CA, name string) certificate {
	t.Helper()
	cert, key := ca.ClientCert(t, name) // for servers, too
	return certificate{name, cert, key}
}

// renew puts another one there, which is good until an end.
func (c certificate) renew(t *testing.T, ca *vaulttest.CA, end time.Time) {
	t.Helper()
	cert, key := ca.CertUntil(t, c.name, end)
	harness.Check(t, os.Rename(cert, c.cert))
	harness.Check(t, os.Rename(key, c.key))
}
