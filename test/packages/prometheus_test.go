package packages

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"
)

// startPrometheus starts the machine's own, and returns its address.
func (m *machine) startPrometheus(t *testing.T) (address string) {
	t.Helper()
	address = freeAddress(t)
	m.write(t, "/etc/default/prometheus", "ARGS=--web.listen-address="+address+"\n")
	m.run(t, "systemctl", "start", "prometheus")
	untilQuery(t, address, "vector(1)", 1)
	return address
}

// hasten turns the minutes that the alerts wait into seconds.
func (m *machine) hasten(t *testing.T) {
	t.Helper()
	const rules = "/etc/prometheus/rotatord.rules.yaml"
	m.write(t, rules, regexp.MustCompile(`(?m)^( +for: \d+)m$`).ReplaceAllString(m.run(t, "cat", rules), "${1}s"))
	m.run(t, "promtool", "check", "rules", rules)
}

// freeAddress returns one of loopback where nobody listens: the machines have this one's network.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// untilQuery waits until an expression has so many series.
func untilQuery(t *testing.T, prometheus, expr string, want int) {
	t.Helper()
	asked := "http://" + prometheus + "/api/v1/query?query=" + url.QueryEscape(expr)
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(2 * time.Minute); ; <-again.C {
		got, err := countSeries(asked)
		if err == nil && got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d series (%v), want %d", expr, got, err, want)
		}
	}
}

func countSeries(asked string) (int, error) {
	var answer struct{ Data struct{ Result []any } }
	response, err := http.Get(asked)
	if err == nil {
		err = json.NewDecoder(response.Body).Decode(&answer)
		_ = response.Body.Close()
	}
	return len(answer.Data.Result), err
}
