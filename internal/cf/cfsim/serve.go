package cfsim

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"syscall"
	"time"
)

// outcome is what becomes of one call on the way back.
type outcome struct {
	refused bool // no connection was made
	lost    bool // no answer is sent
	cut     bool // only the first half of the answer is sent
	wait    time.Duration
	status  int
	header  http.Header
	body    []byte
}

// ServeHTTP serves the API below BasePath.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := s.handleCall(r)
	if out.refused || out.lost || waitFor(r.Context(), out.wait) != nil {
		panic(http.ErrAbortHandler) // breaks the connection without a word
	}
	for k, v := range out.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(out.body)))
	w.WriteHeader(out.status)
	if !out.cut {
		_, _ = w.Write(out.body)
		return
	}
	_, _ = w.Write(out.body[:len(out.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Transport serves requests in process, without sockets, goroutines or real time:
// it works in a bubble of testing/synctest. Closing idle connections does nothing.
func (s *Sim) Transport() http.RoundTripper { return transport{s} }

type transport struct{ sim *Sim }

// RoundTrip implements http.RoundTripper, client tracing included.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	if req.Body != nil {
		defer req.Body.Close() //nolint:errcheck // it was read
	}
	out := t.sim.handleCall(req)
	if out.refused {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if err := waitFor(ctx, out.wait); err != nil {
		return nil, err
	}
	if out.lost {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return out.httpResponse(req), nil
}

func (o outcome) httpResponse(req *http.Request) *http.Response {
	var body io.Reader = bytes.NewReader(o.body)
	if o.cut {
		body = io.MultiReader(bytes.NewReader(o.body[:len(o.body)/2]), broken{})
	}
	return &http.Response{
		Status: strconv.Itoa(o.status) + " " + http.StatusText(o.status), StatusCode: o.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: o.header, Body: io.NopCloser(body), ContentLength: int64(len(o.body)), Request: req,
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// waitFor waits for d; an error says that ctx ended first.
func waitFor(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
