package daemon

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// Certificates and authorities are replaced before they end, and rotatord runs on.
func TestWhatIsConnectedToEtcdWithIsWhatTheFilesHoldByThen(t *testing.T) {
	former, next := vaulttest.NewCA(t), vaulttest.NewCA(t)
	dir := t.TempDir()
	e := &config.Etcd{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	for _, ca := range []*vaulttest.CA{former, next} {
		cert, key := ca.ClientCert(t, "rotatord")
		for from, to := range map[string]string{ca.File: e.CAFile, cert: e.CertFile, key: e.KeyFile} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		got, err := readEtcdTLS(e)
		if err != nil {
			t.Fatal(err)
		}
		if !got.RootCAs.Equal(ca.TLS().RootCAs) {
			t.Error("another authority is believed")
		}
		ours := x509.VerifyOptions{Roots: ca.TLS().RootCAs, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := got.Certificates[0].Leaf.Verify(ours); err != nil {
			t.Errorf("the client's certificate is another: %v", err)
		}
	}
	for _, path := range []string{e.KeyFile, e.CAFile} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := dialEtcd(e, nil); err == nil {
			t.Errorf("it connects without %s", path)
		}
	}
}
