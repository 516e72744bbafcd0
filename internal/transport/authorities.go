package transport

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// authorities are the certificates of a PEM file.
type authorities struct {
	text []byte
	pool *x509.CertPool
}

func readAuthorities(path string) (*authorities, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool, err := parseAuthorities(text)
	if err != nil {
		return nil, fmt.Errorf("ca_file %s %w", path, err)
	}
	return &authorities{text, pool}, nil
}

func (a *authorities) isSame(b *authorities) bool { return b != nil && bytes.Equal(a.text, b.text) }

// parseAuthorities demands that every certificate which is begun is there in full. One
// that cannot be understood is passed over, as everybody does.
func parseAuthorities(text []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if c, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			pool.AddCert(c)
			n++
		}
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return nil, errors.New("ends in the middle of a certificate")
	case n == 0:
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, nil
}
