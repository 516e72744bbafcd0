package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequests: no request, however malformed, makes a handler panic or lets a
// stranger on the TCP listener change anything.
func FuzzRequests(f *testing.F) {
	for _, r := range [][3]string{
		{"GET", "/?state=failing&q=live&page=2", ""}, {"GET", "/?page=-1", ""}, {"GET", "/api/v1/history?slot=a/b/c&limit=x", ""},
		{"POST", "/api/v1/slots/live/subscribe/rotate", `{"compromised":true}`}, {"POST", "/api/v1/slots/live/subscribe/rotate", `{"nope":1}`},
		{"POST", "/api/v1/tokens/live/prune", `[]`}, {"GET", "/api/v1/plan?for=9999999h", ""}, {"GET", "/api/v1/slots/%2e%2e/%00", ""},
		{"POST", "/-/reload", ""}, {"PUT", "/metrics", ""}, {"GET", "/slots/live/subscribe", ""},
	} {
		f.Add(r[0], r[1], r[2])
	}
	daemon := newDaemon()
	admin, public := New(options(daemon)).adminHandler(), publicly(daemon, listening{loopback: true})
	f.Fuzz(func(t *testing.T, method, target, body string) {
		req := func() *http.Request {
			r, err := http.NewRequest(method, "http://127.0.0.1/", strings.NewReader(body))
			if err != nil {
				return nil
			}
			if r.URL, err = r.URL.Parse(target); err != nil {
				return nil
			}
			r.Host, r.RemoteAddr = "127.0.0.1:9476", "127.0.0.1:1"
			return r
		}
		if req() == nil || strings.Contains(target, "debug/pprof") {
			return // profiles take their time
		}
		answered := httptest.NewRecorder()
		admin.ServeHTTP(answered, req())
		if answered.Code == http.StatusInternalServerError {
			t.Errorf("%s %s: %s", method, target, answered.Body)
		}
		before := daemon.lastAsked()
		stranger := httptest.NewRecorder()
		public.ServeHTTP(stranger, req())
		if method == http.MethodPost && stranger.Code < 400 {
			t.Errorf("a stranger's POST %s is answered with %d", target, stranger.Code)
		}
		if after := daemon.lastAsked(); method == http.MethodPost && after != before {
			t.Errorf("a stranger's POST %s reached the daemon: %s", target, after)
		}
	})
}
