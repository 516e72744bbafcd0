package packages

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What README.md says of Prometheus, to the letter, but for ports and seconds.
func TestAnAlertOfThePackageReachesAPrometheusThatIsSetUpAsTheDocumentsSay(t *testing.T) {
	m := boot(t, systemd)
	m.run(t, "dpkg", "-i", m.bring(t, "1.0.0", "deb"))
	_, api := cloudflare(t)
	listen, prometheus := freeAddress(t), freeAddress(t)
	text := strings.Replace(m.fillIn(t, api), `listen: ""`, "listen: "+listen, 1)
	m.write(t, config, text)
	m.run(t, "systemctl", "enable", "--now", "rotatord")

	m.run(t, "sh", "-c", shownFor(t, `(?m)^ +(cp \S+rotatord\.rules\.yaml \S+)$`))
	setUp := regexp.MustCompile(`(?m)^   `).ReplaceAllString(shownFor(t, "(?s) ```yaml\n( +rule_files:.*?)   ```"), "")
	m.write(t, "/etc/prometheus/prometheus.yml", "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"+strings.Replace(setUp, "localhost:9476", listen, 1))
	m.run(t, "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
	m.write(t, "/etc/default/prometheus", "ARGS=--web.listen-address="+prometheus+"\n")
	m.run(t, "systemctl", "restart", "prometheus")
	untilQuery(t, prometheus, `up{job="rotatord"} == 1`, 1)

	m.write(t, config, text+"relais: {}\n")
	m.fails(t, "failed", "systemctl", "reload", "rotatord")
	untilQuery(t, prometheus, `ALERTS{alertname="MoQReloadFailed"}`, 1) // which fires five minutes later
	m.write(t, config, text)
	m.run(t, "systemctl", "reload", "rotatord")
	untilQuery(t, prometheus, `ALERTS{alertname="MoQReloadFailed"}`, 0)
}

// shownFor returns what README.md shows.
func shownFor(t *testing.T, pattern string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	check(t, err)
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("README.md shows nothing like %s", pattern)
	}
	return string(found[1])
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
