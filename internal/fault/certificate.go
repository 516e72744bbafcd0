package fault

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// dateHint is what a person can do about a certificate that this machine's clock finds out of date; "" for any
// other error. As often as the certificate, the clock is wrong.
func dateHint(err error, now time.Time) string {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || invalid.Reason != x509.Expired || invalid.Cert == nil {
		return ""
	}
	cert := invalid.Cert
	return fmt.Sprintf("this machine's clock says %s, and the certificate of %s is valid from %s to %s: "+
		"set the clock (timedatectl, chronyc) if it is wrong, else have the certificate renewed",
		stamp(now), nameOf(cert), stamp(cert.NotBefore), stamp(cert.NotAfter))
}

// nameOf is whom a certificate is for, in the words of whoever showed it.
func nameOf(cert *x509.Certificate) string {
	if len(cert.DNSNames) > 0 {
		return fmt.Sprintf("%q", cert.DNSNames[0])
	}
	return fmt.Sprintf("%q", cert.Subject.CommonName)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
