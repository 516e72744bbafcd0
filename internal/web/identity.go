package web

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
	"golang.org/x/crypto/bcrypt"
)

type (
	peerKey struct{} // a connection's uid
	byKey   struct{} // a request's authenticated user
)

// withPeer remembers who is at the other end of an admin connection. The name
// is looked up when it is needed: this runs in the accept loop.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if uid, _, ok := peerOf(c); ok {
		return context.WithValue(ctx, peerKey{}, uid)
	}
	return ctx
}

// requester names whoever makes a request, for the history.
func requester(r *http.Request) string {
	if name, ok := r.Context().Value(byKey{}).(string); ok {
		return name
	}
	uid, ok := r.Context().Value(peerKey{}).(uint32)
	if !ok {
		return "admin socket"
	}
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil {
		return "uid " + id
	}
	return "uid " + id + " (" + u.Username + ")"
}

// authenticatedUser names the user that a TCP request proved to be; "" for none.
// The exporter toolkit has let the request pass: either it has checked the
// password, or the file names no users.
func authenticatedUser(r *http.Request, webConfigFile string) string {
	// Some client_auth_types ask for a certificate without verifying it.
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return "certificate " + r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return ""
	}
	hash := basicAuthUsers(webConfigFile)[name]
	if hash == "" {
		return ""
	}
	// The file may have changed since the toolkit read it. For what changes
	// something that is reason enough to look at the password again.
	if !isSafe(r.Method) && bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return ""
	}
	return "user " + name
}

// basicAuthUsers reads the users' password hashes as the toolkit reads them, so
// that the two agree; none when the file cannot be read.
func basicAuthUsers(file string) map[string]string {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file) //nolint:gosec // the operator's own choice
	if err != nil {
		return nil
	}
	var c toolkit.Config
	if yaml.UnmarshalStrict(b, &c) != nil {
		return nil
	}
	users := make(map[string]string, len(c.Users))
	for name, hash := range c.Users {
		users[name] = string(hash)
	}
	return users
}

func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }
