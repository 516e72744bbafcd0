package fault

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"
	"time"
)

func outOfDate(reason x509.InvalidReason, names ...string) error {
	cert := &x509.Certificate{
		DNSNames: names, Subject: pkix.Name{CommonName: "a proxy\n"},
		NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2026, 4, 2, 3, 4, 5, 0, time.UTC),
	}
	return fmt.Errorf("call: %w", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: cert, Reason: reason}})
}

func TestACertificateOutOfDateNamesTheClockWithBothTimes(t *testing.T) {
	now := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	want := `this machine's clock says 2023-01-01T00:00:00Z, and the certificate of "api.example" is valid from 2026-01-02T03:04:05Z ` +
		`to 2026-04-02T03:04:05Z: set the clock (timedatectl, chronyc) if it is wrong, else have the certificate renewed`
	if got := dateHint(outOfDate(x509.Expired, "api.example"), now); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := dateHint(outOfDate(x509.Expired), now); !strings.Contains(got, `the certificate of "a proxy\n" is`) {
		t.Error(got)
	}
	for _, err := range []error{outOfDate(x509.NotAuthorizedToSign, "api.example"), x509.UnknownAuthorityError{}, x509.CertificateInvalidError{Reason: x509.Expired}} {
		if got := dateHint(err, now); got != "" {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestEveryErrorOfATransportNamesTheClockWhereItMayBeWrong(t *testing.T) {
	m := Meaning{Class: Retry, Hint: "check the network"}
	for _, e := range []*Error{m.Error("read", "x", outOfDate(x509.Expired, "api.example")), NoAnswer("read", "x", outOfDate(x509.Expired, "api.example"))} {
		if !strings.HasPrefix(e.Hint, "this machine's clock says 2") {
			t.Errorf("the hint is %q", e.Hint)
		}
	}
	if e := m.Error("read", "x", outOfDate(x509.NotAuthorizedToSign)); e.Hint != "check the network" {
		t.Errorf("the hint is %q", e.Hint)
	}
}
