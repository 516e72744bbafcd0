package forward

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// PinOf returns the digest of a certificate's key, by which others know who has it, whoever signed the certificate and
// whatever names are in it.
func PinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// errOther says that somebody else answers than is meant.
var errOther = errors.New("its certificate has another key than the leader tells of")

func pinnedTo(pin string, own func() *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // its key is compared instead
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || PinOf(s.PeerCertificates[0]) != pin {
				return errOther
			}
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if own != nil {
				if c := own(); c != nil {
					return c, nil
				}
			}
			return &tls.Certificate{}, nil
		},
	}
}

// sender keeps the connections to the one leader that there is.
type sender struct {
	mu        sync.Mutex
	to        string // address and pin
	transport way
}

// way is how a leader is reached.
type way interface {
	http.RoundTripper
	CloseIdleConnections()
}

func (s *sender) transportTo(l Leader, o Options, limits limits) way {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to := wayTo(l); s.to != to {
		if s.transport != nil {
			s.transport.CloseIdleConnections()
		}
		s.to, s.transport = to, newTransport(l, o, limits)
	}
	return s.transport
}

func wayTo(l Leader) string { return l.Advertise + " " + l.SPKI }

// newTransport goes straight there: no proxy has the key. What a client would unpack is handed on as it is.
func newTransport(l Leader, o Options, limits limits) *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: limits.dial, KeepAlive: limits.dial}).DialContext,
		TLSClientConfig:       pinnedTo(l.SPKI, o.Certificate),
		TLSHandshakeTimeout:   limits.dial,
		ResponseHeaderTimeout: limits.slow,
		IdleConnTimeout:       time.Minute,
		MaxConnsPerHost:       32,
		DisableCompression:    true,
	}
}
