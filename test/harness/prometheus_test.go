package harness

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestARealPrometheusScrapesEvaluatesAndAnswers(t *testing.T) {
	t.Parallel()
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `fed{colour="red"} 7`) }))
	t.Cleanup(source.Close)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	Check(t, os.WriteFile(rules, []byte(`groups: [{name: a, rules: [{record: twice, expr: 2 * fed}, {alert: Fed, expr: fed > 5}]}]`), 0o600))
	began := time.Now()
	p := newLauncher().StartPrometheus(t, Monitoring{
		Interval: 100 * time.Millisecond, Rules: []string{rules},
		Jobs: map[string][]string{"kitchen": {strings.TrimPrefix(source.URL, "http://")}}, Itself: "prometheus",
	})

	Eventually(t, time.Minute, "an answer", func() error {
		series, err := p.Query("twice")
		if err == nil && (len(series) != 1 || series[0].Value.Value != 14 || series[0].Labels["job"] != "kitchen") {
			err = fmt.Errorf("got %+v", series)
		}
		return err
	})
	Eventually(t, time.Minute, "an alert that fires", func() error {
		alerts, err := p.Alerts()
		if err == nil && (len(alerts) != 1 || alerts[0].State != "firing" || alerts[0].Labels["colour"] != "red") {
			err = fmt.Errorf("got %+v", alerts)
		}
		return err
	})
	Eventually(t, time.Minute, "a range", func() error { // a machine that is busy misses scrapes
		series, err := p.QueryRange("fed", began, time.Now(), 100*time.Millisecond)
		if err == nil && (len(series) != 1 || len(series[0].Values) == 0 || series[0].Values[0].Value != 7) {
			err = fmt.Errorf("got %+v", series)
		}
		return err
	})
	if series, err := p.Query("scalar(fed)"); err != nil || len(series) != 1 || series[0].Value.Value != 7 {
		t.Errorf("a scalar is %+v, %v", series, err)
	}
	Eventually(t, time.Minute, "what it says of itself", func() error {
		series, err := p.Query(`prometheus_build_info{job="prometheus"}`)
		if err == nil && len(series) != 1 {
			err = fmt.Errorf("got %+v", series)
		}
		return err
	})
	if _, err := p.Query("fed)"); err == nil || !strings.Contains(err.Error(), "parse error") {
		t.Errorf("a query that is none: %v", err)
	}
	if series, err := p.Query("fed > 8"); err != nil || len(series) != 0 {
		t.Errorf("nothing is %+v, %v", series, errors.Unwrap(err))
	}
}
