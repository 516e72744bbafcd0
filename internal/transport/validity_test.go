package transport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newServerOf serves with a certificate of its own that is valid for a day from then on.
func newServerOf(t *testing.T, from time.Time) (address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: from, NotAfter: from.AddDate(0, 0, 1),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1), ca
}

// It comes after those that have authorities of their own: the first who asks for the system's reads them for all.
func TestACertificateOutOfDateNamesTheClockWhicheverClientMeetsIt(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	for when, from := range map[string]time.Time{"past": time.Now().AddDate(0, 0, -40), "to come": time.Now().AddDate(0, 0, 40)} {
		address, ca := newServerOf(t, from)
		for name, open := range map[string]func(*testing.T, string) func(context.Context) error{
			"Cloudflare": openCloudflare, "Vault": openVault(ca), "AWS": openAWS,
		} {
			t.Run(name+" "+when, func(t *testing.T) {
				err := open(t, address)(t.Context())
				if err == nil {
					t.Fatal("it is accepted")
				}
				for _, want := range []string{"this machine's clock says 2", `the certificate of "localhost" is valid from ` + from.UTC().Format(time.RFC3339)} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%v does not say %q", err, want)
					}
				}
			})
		}
	}
}
