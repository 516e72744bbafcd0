package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// gzipped is how a profile begins that `go tool pprof` reads.
const gzipped = "\x1f\x8b"

func TestProfilesAreWhatGosOwnToolsRead(t *testing.T) {
	admin := New(options(newDaemon())).adminHandler()
	for target, want := range map[string]struct {
		status int
		begins string
	}{
		"/debug/pprof/":                  {200, "allocs\n"},
		"/debug/pprof/heap?gc=1":         {200, gzipped},
		"/debug/pprof/goroutine?debug=2": {200, "goroutine "},
		"/debug/pprof/profile":           {200, gzipped},
		"/debug/pprof/trace?seconds=1":   {200, "go 1."},
		"/debug/pprof/nothing":           {404, "there is no such profile"},
	} {
		gone, cancel := context.WithCancel(t.Context())
		cancel() // nobody waits for what is recorded over a while
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, target, http.NoBody))
		if w.Code != want.status || !strings.HasPrefix(w.Body.String(), want.begins) {
			t.Errorf("%s: %d, %.20q; want %d, %q", target, w.Code, w.Body, want.status, want.begins)
		}
	}
}
