package vault

import (
	"os"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// What somebody is writing just now ends nothing that works.
func TestFilesThatAreHalfWrittenLeaveWhatTheyHeldBeforeInForce(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())
	f := newFixture(t, server, nil)
	enable(t, f, "cert", "cert", useCert)
	f.config.CAFile = t.TempDir() + "/ca.pem"
	save(t, f.config.CAFile, server.CA.PEM)
	s, target := f.open(t), f.target()
	mustWrite(t, s, target, 1)
	for n, file := range []string{f.config.CAFile, f.config.Auth.Cert.CertFile} {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		save(t, file, string(whole[:len(whole)/2]))
		_, err = s.Refresh(t.Context())
		if file == f.config.CAFile {
			wantFault(t, err, fault.Retry, fault.Setup, file, "stay in force")
		} else if err != nil {
			t.Errorf("Refresh: %v", err)
		}
		revoke(t, server, heldToken(t, s)) // a new login shows the certificate anew
		mustWrite(t, s, target, 2+n)
		save(t, file, string(whole))
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Errorf("Refresh: %v", err)
		}
		mustWrite(t, s, target, 4+n)
	}
}
