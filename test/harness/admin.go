package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// Admin speaks to a daemon through its admin socket. It is safe for concurrent use.
type Admin struct{ http *http.Client }

// NewAdmin makes an Admin, which opens a connection for each request: the daemon
// may be another one by then.
func NewAdmin(socket string) *Admin {
	a := KeepAliveAdmin(socket)
	a.http.Transport.(*http.Transport).DisableKeepAlives = true
	return a
}

// KeepAliveAdmin makes an Admin that keeps its connection, so that a request's time
// is that of the answer. Close it before the daemon ends.
func KeepAliveAdmin(socket string) *Admin {
	var d net.Dialer
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", socket)
	}
	return &Admin{&http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close closes connections that are kept.
func (a *Admin) Close() { a.http.CloseIdleConnections() }

// Ask sends a request without a body.
func (a *Admin) Ask(ctx context.Context, method, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://rotatord"+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	return Answer(a.http.Do(req))
}

// Ready returns why the daemon is not ready; nil when it is.
func (a *Admin) Ready(ctx context.Context) error {
	status, body, err := a.Ask(ctx, http.MethodGet, "/-/ready")
	if err == nil && status != http.StatusOK {
		err = errors.New(body)
	}
	return err
}

// Answer reads the answer of a request to its end.
func Answer(resp *http.Response, err error) (status int, body string, _ error) {
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	_, err = io.Copy(&b, resp.Body)
	return resp.StatusCode, b.String(), err
}
