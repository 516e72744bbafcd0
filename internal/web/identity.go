package web

import (
	"context"
	"net"
	"net/http"
	"os/user"
	"strconv"
)

type (
	peerKey struct{} // a connection's uid
	byKey   struct{} // a request's authenticated user
	connKey struct{} // a connection to the TCP listener
	// throughKey is the replica that has sent a request on.
	throughKey struct{}
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
	if name := authenticatedUser(r); name != "" {
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
func authenticatedUser(r *http.Request) string {
	name, _ := r.Context().Value(byKey{}).(string)
	return name
}

// certificateOf names the owner of a client certificate that was verified: some client_auth_types ask for
// one and do not look at it.
func certificateOf(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	return "certificate " + r.TLS.VerifiedChains[0][0].Subject.CommonName
}

// hostOf returns the address of ip:port.
func hostOf(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }
