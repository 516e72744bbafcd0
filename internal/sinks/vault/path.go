package vault

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/rotatord/rotatord/internal/sinks"
)

// checkPath says why path cannot be a secret's path, or a mount's. What it
// refuses Vault would refuse, rewrite or make unreadable to others.
func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New("the path is empty")
	case strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/"):
		return fmt.Errorf("path %q begins or ends with a slash", path)
	case strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("path %q holds a character that cannot be printed", path)
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "":
			return fmt.Errorf("path %q has an empty part", path)
		case segment == "." || segment == "..":
			return fmt.Errorf("path %q has a part %q", path, segment)
		case strings.TrimSpace(segment) != segment:
			return fmt.Errorf("path %q has a part that begins or ends with a space", path)
		}
	}
	return nil
}

// parseAddress returns address in its canonical form: lower case, no default
// port, no slash at the end.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL") // the error would quote a password
	case u.User != nil:
		return nil, errors.New("it holds a user name or password, which Vault does not take")
	case u.Scheme != "http" && u.Scheme != "https" || !sinks.NamesHost(u):
		return nil, fmt.Errorf("%q is not an http or https address", address)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q has a query or fragment", address)
	}
	u.Host = strings.ToLower(u.Host)
	if port := (map[string]string{"http": ":80", "https": ":443"})[u.Scheme]; strings.HasSuffix(u.Host, port) {
		u.Host = strings.TrimSuffix(u.Host, port)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

func (c *Config) addressDiagnostics(address string) []sinks.Diagnostic {
	u, err := parseAddress(address)
	var text, hint string
	switch {
	case err != nil:
		text, hint = err.Error(), `such as "https://vault.example:8200"`
	case u.Scheme == "http" && c.Auth.Cert != nil:
		text, hint = "auth.cert needs https", "a client certificate is shown in the TLS handshake"
	case u.Scheme == "http" && !sinks.IsLoopback(u.Hostname()) && !c.Insecure:
		text, hint = "plain http would show tokens to the network", "use https, or set insecure: true"
	default:
		return nil
	}
	return []sinks.Diagnostic{{Key: "address", Text: text, Hint: hint}}
}
