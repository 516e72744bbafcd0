package web

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestWhatThePublicListenerServesWithoutAuthentication(t *testing.T) {
	for _, tt := range []struct {
		name           string
		loopback       bool
		method, target string
		headers        []string
		status         int
		contains       string
	}{
		{"page", true, "GET", "/", nil, 200, "<html"},
		{"api", true, "GET", "/api/v1/slots", nil, 200, "live"},
		{"by address", true, "GET", "/", []string{"Host", "127.0.0.1:9476"}, 200, ""},
		{"by IPv6 address", true, "GET", "/", []string{"Host", "[::1]:9476"}, 200, ""},
		{"by IPv6 address, no port", true, "GET", "/", []string{"Host", "[::1]"}, 200, ""},
		{"rebound name", true, "GET", "/", []string{"Host", "evil.example"}, 403, "Host header"},
		{"rebound name, api", true, "GET", "/api/v1/slots", []string{"Host", "localhost.evil.example:9476"}, 403, `"error"`},
		{"metrics by a rebound name", true, "GET", "/metrics", []string{"Host", "node7:9476"}, 403, "Host header"},
		{"health by a rebound name", true, "GET", "/-/healthy", []string{"Host", "node7:9476"}, 403, "Host header"},
		{"readiness by a rebound name", true, "GET", "/-/ready", []string{"Host", "evil.example"}, 403, "Host header"},
		{"readiness", true, "GET", "/-/ready", nil, 200, "ready"},
		{"rotate", true, "POST", "/api/v1/slots/live/subscribe/rotate", nil, 403, "admin socket"},
		{"reload", true, "POST", "/-/reload", nil, 403, "web_config_file"},
		{"made-up user", true, "POST", "/-/reload", []string{"Authorization", "Basic YWRtaW46YWRtaW4="}, 403, "authentication"},
		{"wrong method", true, "DELETE", "/metrics", nil, 403, ""},
		{"tokens are the admin socket's", true, "GET", "/api/v1/tokens/live", nil, 404, "nothing"},
		{"plan is the admin socket's", true, "GET", "/api/v1/plan", nil, 404, "nothing"},
		{"profiles are the admin socket's", true, "GET", "/debug/pprof/", nil, 404, "nothing"},

		{"off loopback: metrics", false, "GET", "/metrics", nil, 200, "metrics"},
		{"off loopback: metrics by any name", false, "GET", "/metrics", []string{"Host", "node7:9476"}, 200, "metrics"},
		{"off loopback: health by any name", false, "GET", "/-/healthy", []string{"Host", "node7:9476"}, 200, "healthy"},
		{"off loopback: the API's description", false, "GET", "/api/v1/openapi.yaml", nil, 403, `"error"`},
		{"off loopback: health", false, "GET", "/-/healthy", nil, 200, ""},
		{"off loopback: readiness", false, "HEAD", "/-/ready", nil, 200, ""},
		{"off loopback: page", false, "GET", "/", nil, 403, "off loopback"},
		{"off loopback: api", false, "GET", "/api/v1/slots", nil, 403, `"error"`},
		{"off loopback: history", false, "GET", "/api/v1/history", nil, 403, `"error"`},
		{"off loopback: claims localhost", false, "GET", "/", []string{"Host", "localhost"}, 403, "off loopback"},
		{"off loopback: not quite metrics", false, "GET", "/metrics/../", nil, 403, ""},
		{"off loopback: rotate", false, "POST", "/api/v1/slots/live/subscribe/rotate", nil, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDaemon()
			w := ask(publicly(d, listening{loopback: tt.loopback}), tt.method, tt.target, "", tt.headers...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.contains) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, tt.status, tt.contains)
			}
			if d.lastAsked() != "" {
				t.Errorf("the daemon was asked %q", d.lastAsked())
			}
		})
	}
}

// publicly is the TCP listener's handler without a web configuration.
func publicly(d Daemon, on listening) http.Handler {
	s := New(options(d))
	return s.publicHandler(on, must(openWebConfig("", s.Log)))
}

func TestOnlyALoopbackAddressIsLoopback(t *testing.T) {
	for ip, want := range map[string]bool{
		"127.0.0.1": true, "127.8.9.1": true, "::1": true, "0.0.0.0": false, "::": false, "10.0.0.1": false, "": false,
	} {
		if got := isLoopback(&net.TCPAddr{IP: net.ParseIP(ip)}); got != want {
			t.Errorf("%q: %v, want %v", ip, got, want)
		}
	}
}

func TestTheAdminSocketRefusesPagesOfOtherSites(t *testing.T) {
	d := newDaemon()
	w := ask(New(options(d)).adminHandler(), "POST", "/-/reload", "", "Sec-Fetch-Site", "cross-site")
	if w.Code != http.StatusForbidden || d.lastAsked() != "" {
		t.Errorf("got %d, asked %q", w.Code, d.lastAsked())
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	h := publicly(newDaemon(), listening{})
	for _, target := range []string{"/", "/metrics", "/-/ready", "/nothing", "/api/v1/slots"} {
		got := ask(h, "GET", target, "").Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got.Get(name), want)
			}
		}
		if csp := got.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", target, csp)
		}
	}
}

func TestAHandlersPanicIsAnsweredAndNotPrinted(t *testing.T) {
	const canary = "eyJ-canary-value"
	d := newDaemon()
	d.panics = "index out of range in " + canary
	var log logged
	o := options(d)
	o.Log = log.logger()
	w := ask(New(o).adminHandler(), "GET", "/api/v1/plan", "")
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"error"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "Plan") {
		t.Errorf("the log does not say where: %s", log.String())
	}
	if strings.Contains(log.String()+w.Body.String(), canary) {
		t.Error("the panic's value leaked")
	}
}
