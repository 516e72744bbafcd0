package sinktest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Front is a store that is reached over HTTP, for what may stand in front of it.
type Front struct {
	Store string // the store's address
	// Open opens a sink that finds the store at address and has timeout for an answer.
	Open func(t *testing.T, address string, timeout time.Duration) sinks.Sink
	// Aside tells requests that no call of the sink waits for; nil when there are none.
	Aside func(*http.Request) bool
}

// start starts a proxy of the store that spoil answers in place of, where it does.
func (f *Front) start(t *testing.T, spoil func(w http.ResponseWriter, r *http.Request) bool) (address string) {
	t.Helper()
	to, err := url.Parse(f.Store)
	if err != nil {
		t.Fatal(err)
	}
	store := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !spoil(w, r) {
			store.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// From whichever request on the store, or somebody in front of it, points elsewhere:
// the call fails, says where it was pointed to, and nothing goes there.
func redirectsAreRefused(t *testing.T, s *suite) {
	if s.Front == nil {
		return
	}
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	content := s.render(t, 2)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for i := range s.allOperations(content) {
			for from := 0; ; from++ {
				name, spoiled, err := s.callRedirected(t, i, content, status, from, elsewhere.URL)
				if !spoiled {
					break // it needs no more requests than these
				}
				wantRedirect(t, fmt.Sprintf("%s, %d from request %d on", name, status, from), err, elsewhere.URL)
			}
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests went to where an answer pointed", n)
	}
}

// callRedirected makes one call through a front that redirects from some request on.
func (s *suite) callRedirected(t *testing.T, op int, content secret.Value, status, from int, to string) (name string, spoiled bool, err error) {
	t.Helper()
	var n, redirects atomic.Int64
	address := s.Front.start(t, func(w http.ResponseWriter, r *http.Request) bool {
		if s.Front.Aside != nil && s.Front.Aside(r) || n.Add(1) <= int64(from) {
			return false
		}
		redirects.Add(1)
		http.Redirect(w, r, to+r.URL.Path, status)
		return true
	})
	over := *s
	over.sink, over.target = s.Front.Open(t, address, time.Minute), s.Target(t)
	defer func() { _ = over.sink.Close() }()
	o := over.allOperations(content)[op]
	err = o.call(context.WithoutCancel(t.Context()))
	return o.name, redirects.Load() > 0, err
}

func wantRedirect(t *testing.T, what string, err error, to string) {
	t.Helper()
	f := wantFault(t, what, err)
	if f == nil {
		return
	}
	if f.Reason != fault.BadAnswer || !strings.Contains(f.Error(), to) || f.Hint == "" {
		t.Errorf("%s: %s (%s), want a bad answer that names %s, with a hint", what, f, f.Reason, to)
	}
	NoLeak(t, err, Canary)
}

// Whatever answers in the store's place, a call takes neither more memory nor more time
// than an answer of the store could need.
func answersAreBounded(t *testing.T, s *suite) {
	if s.Front == nil {
		return
	}
	for _, c := range []struct {
		name     string
		answer   http.HandlerFunc
		timeout  time.Duration // of the sink
		deadline time.Duration // of the call
		reason   fault.Reason
		says     string
	}{
		{"an endless answer", answerEndlessly, time.Minute, time.Minute, fault.BadAnswer, "larger than 1 MiB"},
		{"an endless error", refuseWith(answerEndlessly), time.Minute, time.Minute, fault.BadAnswer, "larger than 1 MiB"},
		{"an answer of little that unpacks to much", answerBomb(t), time.Minute, time.Minute, fault.BadAnswer, "larger than 1 MiB"},
		{"an answer that drips", answerSlowly, 200 * time.Millisecond, time.Minute, fault.Timeout, ""},
		{"an answer that drips past the call's end", answerSlowly, time.Minute, 200 * time.Millisecond, fault.Timeout, ""},
	} {
		for i, o := range s.allOperations(s.render(t, 2)) {
			address := s.Front.start(t, func(w http.ResponseWriter, r *http.Request) bool {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				c.answer(w, r)
				return true
			})
			over := *s
			over.sink = s.Front.Open(t, address, c.timeout)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), c.deadline)
			f := wantFault(t, o.name+", "+c.name, over.allOperations(s.render(t, 2))[i].call(ctx))
			cancel()
			if f != nil && (f.Reason != c.reason || !strings.Contains(f.Error(), c.says)) {
				t.Errorf("%s, %s: %v (%s), want %s and %q", o.name, c.name, f, f.Reason, c.reason, c.says)
			}
			_ = over.sink.Close()
		}
	}
}

func answerEndlessly(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"data":"`)
	filler := bytes.Repeat([]byte("x"), 64<<10)
	for {
		if _, err := w.Write(filler); err != nil {
			return
		}
	}
}

func refuseWith(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, r)
	}
}

// answerBomb answers with 16 MiB in 16 KiB.
func answerBomb(t *testing.T) http.HandlerFunc {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, errW := io.WriteString(z, `{"data":"`+strings.Repeat("x", 16<<20)+`"}`)
	if err := errors.Join(errW, z.Close()); err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
}

// answerSlowly gives a byte now and then, for as long as somebody listens.
func answerSlowly(w http.ResponseWriter, r *http.Request) {
	for {
		_, _ = io.WriteString(w, " ")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
