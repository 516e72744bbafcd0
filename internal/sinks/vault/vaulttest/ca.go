package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is a certificate authority of one test.
type CA struct {
	File string // its certificate, PEM
	PEM  string // the same

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes a certificate authority.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{key: newKey(t)}
	wanted := certificateTemplate("test CA")
	wanted.IsCA, wanted.BasicConstraintsValid, wanted.KeyUsage = true, true, x509.KeyUsageCertSign
	der := signCertificate(t, wanted, wanted, ca.key, ca.key)
	var err error
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.PEM = encodePEM("CERTIFICATE", der)
	ca.File = save(t, "ca.pem", ca.PEM)
	return ca
}

// ClientCert makes a client certificate for the common name cn, as two PEM files.
func (ca *CA) ClientCert(t testing.TB, cn string) (certFile, keyFile string) {
	t.Helper()
	return ca.CertUntil(t, cn, tomorrow())
}

// CertUntil makes a certificate, of a client or a server, that is good until then, as two PEM files.
func (ca *CA) CertUntil(t testing.TB, cn string, end time.Time) (certFile, keyFile string) {
	t.Helper()
	cert, key := ca.issueCertificate(t, cn, end)
	return save(t, cn+".pem", cert), save(t, cn+"-key.pem", key)
}

// TLS returns the configuration of a client that trusts ca alone.
func (ca *CA) TLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// ServerTLS returns the configuration of another server on 127.0.0.1, such as a proxy.
func (ca *CA) ServerTLS(t testing.TB) *tls.Config {
	t.Helper()
	cert, key := ca.issueCertificate(t, "127.0.0.1", tomorrow())
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

func (ca *CA) issueCertificate(t testing.TB, name string, end time.Time) (certPEM, keyPEM string) {
	t.Helper()
	key, wanted := newKey(t), certificateTemplate(name)
	wanted.NotAfter = end
	if ip := net.ParseIP(name); ip != nil {
		wanted.IPAddresses = []net.IP{ip}
	}
	der := signCertificate(t, wanted, ca.cert, key, ca.key)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", raw)
}

func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

func certificateTemplate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: tomorrow(),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signCertificate(t testing.TB, wanted, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, wanted, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func save(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
