package sinktest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Echo says how a sink's calls come to a server that repeats what it was sent, as proxies do.
type Echo struct {
	// Open opens a sink on the store at address, and returns the credentials that it sends there.
	Open func(t *testing.T, address string) (s sinks.Sink, credentials []string)
	// Error words an error as the store does.
	Error func(text string) (body string)
	// Grant answers what must be granted before a call gets as far as to send what it has; it reports
	// whether it did.
	Grant func(w http.ResponseWriter, r *http.Request) bool
}

// echo is the server. What it repeats is what the sink sends, in an encoding, among what steers a terminal.
type echo struct {
	Echo
	secrets []string
	mu      sync.Mutex
	status  int
	encode  func(string) string
	granted bool
	said    strings.Builder
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.granted && e.Grant(w, r) {
		return
	}
	body, _ := io.ReadAll(r.Body)
	sent := fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body)
	e.said.WriteString(sent)
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(e.status)
	_, _ = io.WriteString(w, e.Error("\x1b[2J\u202e\r\n"+e.encode(e.worstPart(sent))))
}

// worstPart returns where in what was sent the secrets are, which would be cut off as a rule; else all of it.
func (e *echo) worstPart(sent string) string {
	const beside = 10
	var out strings.Builder
	for _, value := range e.secrets {
		for _, form := range []string{value, quotedJSON(value), quotedJSON(quotedJSON(value))} {
			if at := strings.Index(sent, form); at >= 0 {
				out.WriteString(sent[max(0, at-beside):min(len(sent), at+len(form)+beside)] + " ")
			}
		}
	}
	return cmp.Or(out.String(), sent)
}

// echoStaysHidden: whatever a store says, no error of the sink shows what was sent to it, nor steers a terminal.
func echoStaysHidden(t *testing.T, s *suite) {
	if s.Echo == nil {
		return
	}
	e := &echo{Echo: *s.Echo}
	server := httptest.NewServer(e)
	defer server.Close()
	secrets := []string{Record(2).Token.Reveal()}
	for _, granted := range []bool{false, true} {
		for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 500, 503} {
			at, credentials := s.Echo.Open(t, server.URL)
			own := *s
			own.sink = sinks.Decorate("echo", "echo", at, 0, nil)
			secrets = append(secrets[:1], credentials...)
			for name, encode := range Encodings() {
				if status != http.StatusBadRequest && name != "JSON" {
					continue // what a store says is cleaned alike, whatever the status
				}
				e.setAnswer(status, encode, granted, secrets)
				own.provokeErrors(t, fmt.Sprintf("granted %t, %d, %s", granted, status, name), secrets)
			}
			if err := own.sink.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, value := range secrets {
		if ShownRun(e.said.String(), value) == "" {
			t.Errorf("a secret of %d characters was never repeated: the test cannot fail", len(value))
		}
	}
}

func (e *echo) setAnswer(status int, encode func(string) string, granted bool, secrets []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.encode, e.granted, e.secrets = status, encode, granted, secrets
}

// provokeErrors has every call fail, and looks at its error.
func (s *suite) provokeErrors(t *testing.T, how string, secrets []string) {
	t.Helper()
	for op, err := range s.callEverything(t.Context(), s.render(t, 2)) {
		if err == nil {
			continue
		}
		f := wantFault(t, op, err)
		if f == nil || f.Err == nil {
			continue
		}
		FitToPrint(t, f.Err.Error(), redact.Limit)
		FitToPrint(t, f.Error(), 4*redact.Limit)
		for _, value := range secrets {
			NoLeak(t, err, value)
			if found := ShownRun(err.Error(), value); found != "" {
				t.Errorf("%s, %s shows %s: %v", how, op, found, err)
			}
		}
	}
}
