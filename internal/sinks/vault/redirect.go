package vault

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/internal/sinks"
)

// hostPort is a host, and a port unless any will do.
type hostPort struct{ host, port string }

// parseHostPort reads `host[:port]`.
func parseHostPort(text string) (hostPort, error) {
	host, port := text, ""
	if bare, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(bare, "]") {
		host = strings.TrimSuffix(bare, "]")
	} else if _, err := netip.ParseAddr(text); err != nil && strings.Contains(text, ":") {
		host, port, err = net.SplitHostPort(text)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
			return hostPort{}, errNoHostPort
		}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return hostPort{a.String(), port}, nil
	}
	if !hostPattern.MatchString(host) {
		return hostPort{}, errNoHostPort
	}
	return hostPort{strings.ToLower(strings.TrimSuffix(host, ".")), port}, nil
}

// hostPattern is any name that a resolver may know, and nothing else.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

var errNoHostPort = errors.New("is not host or host:port")

// hostPortOf is where u is, with its port.
func hostPortOf(u *url.URL) hostPort {
	port := u.Port()
	if port == "" {
		port = (map[string]string{"http": "80", "https": "443"})[u.Scheme]
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.String()
	}
	return hostPort{host, port}
}

// includes reports whether other is at p.
func (p hostPort) includes(other hostPort) bool {
	return p.host == other.host && (p.port == "" || p.port == other.port)
}

func (c *Config) redirectDiagnostics() []sinks.Diagnostic {
	var out []sinks.Diagnostic
	for i, text := range c.RedirectHosts {
		if _, err := parseHostPort(text); err != nil {
			out = append(out, sinks.Diagnostic{
				Key: fmt.Sprintf("redirect_hosts[%d]", i), Text: err.Error(),
				Hint: "host or host:port, such as vault-1.example:8200; no scheme, no path, no wildcard",
			})
		}
	}
	return out
}

// refuseRedirect says why what was meant for from is not sent on to to: what Vault is sent
// holds its token or a login, and a relay token. Empty: it may be sent.
func (c *Config) refuseRedirect(from, to *url.URL) string {
	switch {
	case to.Scheme != "https" && (from.Scheme == "https" || to.Scheme != "http"):
		return "no redirect leaves https"
	case !c.isAllowed(from, to):
		return "neither the same host and port nor one of redirect_hosts"
	case len(c.addressDiagnostics(to.Scheme+"://"+to.Host)) > 0:
		return c.addressDiagnostics(to.Scheme + "://" + to.Host)[0].Text
	}
	return ""
}

func (c *Config) isAllowed(from, to *url.URL) bool {
	target := hostPortOf(to)
	return hostPortOf(from).includes(target) || slices.ContainsFunc(c.RedirectHosts, func(text string) bool {
		p, err := parseHostPort(text)
		return err == nil && p.includes(target)
	})
}

func redirectHint(status int, to *url.URL) string {
	at := hostPortOf(to)
	key := fmt.Sprintf(", or allow it with redirect_hosts: [%q]", net.JoinHostPort(at.host, at.port))
	if status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
		key = ""
	}
	return "if Vault is there, set address to it" + key + "; if not, look at the proxy in front of Vault"
}
