package cf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

// TestNoValueLeaks sends a canary wherever a server could put a token.
func TestNoValueLeaks(t *testing.T) {
	const canary = "eyJhbGciOiJFUzI1NiJ9.eyJjYW5hcnkiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeS1jYW5hcnk"
	bodies := []string{
		canary, `"` + canary, `{"success":true,"result":"` + canary + `"}`,
		`{"success":false,"errors":[{"code":1,"message":"value ` + canary + ` was made"}]}`,
		`{"success":false,"errors":[{"code":"` + canary + `","message":"x"}]}`,
		`{"success":"` + canary + `","errors":"` + canary + `"}`,
		`{"success":false,"errors":[{"code":1,"message":"` + apiToken + `"}]}`,
		`{"success":true,"result":{"token":"` + canary + `","type":"x"}}`,
		`{"success":true,"result":{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[{"jti":"` + canary + `","secret":"` + canary + `"}]}]}}`,
		`{"success":true,"result":{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[{"jti":"x","expires":"` + canary + `"}]}]}}`,
	}
	for _, body := range bodies {
		if !strings.Contains(body, canary) && !strings.Contains(body, apiToken) {
			t.Fatal("the canary is not in the input")
		}
		for _, status := range []int{200, 201, 302, 400, 403, 404, 500} {
			for _, o := range operations {
				if o.op == cfsim.Revoke && strings.Contains(body, "true") {
					continue // its result does not matter: it succeeds
				}
				w, sim := &watcher{}, newSim(cfsim.Options{})
				sim.Next(o.op, cfsim.Fault{Kind: cfsim.Instead, Status: status, Body: body})
				err := o.run(t, newClient(t, sim.Transport(), func(o *cf.Options) { o.Observer = w }))
				if err == nil {
					t.Fatalf("%s succeeded with %s", o.name, body)
				}
				for _, text := range []string{err.Error(), w.seen()} {
					if strings.Contains(text, "eyJ") || strings.Contains(text, "Y2FuYXJ5") || strings.Contains(text, apiToken) {
						t.Errorf("%s %d leaks: %s", o.name, status, text)
					}
				}
			}
		}
	}
}

// A server that speaks no HTTP has its words quoted by net/http.
func TestNoValueLeaksFromTheWire(t *testing.T) {
	const canary = "eyJhbGciOiJFUzI1NiJ9.eyJjYW5hcnkiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeS1jYW5hcnk"
	quoted := errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP status code "` + canary + `"`)
	c := newClient(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, quoted }))
	err := operations[3].run(t, c)
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), canary) {
			t.Errorf("leaks: %v", err)
		}
	}
}

// A proxy may repeat what it was sent, in whatever form, and steer the terminal of who reads that.
func TestNoEchoReachesAnErrorOrATerminal(t *testing.T) {
	for name, encode := range sinktest.Encodings() {
		for _, o := range operations {
			sent := ""
			rt := roundTrip(func(r *http.Request) (*http.Response, error) {
				sent = encode("x " + r.Header.Get("Authorization") + " y")
				body, _ := json.Marshal(map[string]any{"success": false, "errors": []any{map[string]any{"code": 1, "message": "\x1b[2J\u202e\r\n" + sent}}})
				return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
			})
			err := o.run(t, newClient(t, rt))
			if sinktest.ShownRun(sent, apiToken) == "" {
				t.Fatalf("%s, %s: the API token is not in %q: the test cannot fail", o.name, name, sent)
			}
			if found := sinktest.ShownRun(err.Error(), apiToken); found != "" {
				t.Errorf("%s shows %s: %v", o.name, found, err)
			}
			sinktest.NoLeak(t, err, apiToken)
			sinktest.FitToPrint(t, err.Error(), 2*redact.Limit)
		}
	}
}

func TestAPageOfAProxyIsNamedNotRepeated(t *testing.T) {
	sim := newSim(cfsim.Options{})
	sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Instead, Status: 403, Body: "<!DOCTYPE html><html><title>Blocked</title>"})
	err := operations[1].run(t, newClient(t, sim.Transport()))
	if !strings.Contains(err.Error(), "403: an HTML page") || strings.Contains(err.Error(), "Blocked") {
		t.Error(err)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	sim := newSim(cfsim.Options{})
	body := `{"success":false,"errors":[{"code":1,"message":"` + strings.Repeat("ä\\u0000 ", 5000) + `"}]}`
	sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.Instead, Status: 400, Body: body})
	err := operations[1].run(t, newClient(t, sim.Transport()))
	sinktest.FitToPrint(t, fault.Of(err).Err.Error(), redact.Limit)
}
