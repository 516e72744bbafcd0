package e2e

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rotatord/rotatord/test/harness"
)

const seriesPerSlot = 22

// scrape is one answer of /metrics.
type scrape map[string]*dto.MetricFamily

// scrape reads /metrics from the TCP listener, as Prometheus does.
func (d *daemon) scrape() (scrape, error) {
	code, text, err := harness.Answer(http.Get("http://" + d.address() + "/metrics"))
	if err != nil || code != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %d, %w", code, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err == nil {
		err = scrape(families).sane()
	}
	return families, err
}

// sane checks what holds for every scrape: each slot is in exactly one state and
// has no more series than promised.
func (s scrape) sane() error {
	series, states := map[string]int{}, map[string]float64{}
	for name, family := range s {
		for _, m := range family.Metric {
			if relay := label(m, "relay"); relay != "" {
				series[relay+"/"+label(m, "type")]++
			}
			if name == "rotatord_slot_state" {
				states[label(m, "relay")+"/"+label(m, "type")] += m.GetGauge().GetValue()
			}
		}
	}
	for name, n := range series {
		if n > seriesPerSlot || states[name] != 1 {
			return fmt.Errorf("slot %s has %d series and is in %v states", name, n, states[name])
		}
	}
	return nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.Label {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// value finds the one series that a selector names: the metric without its prefix,
// then label=value for as many labels as it takes. A histogram's name ends in
// _count or _sum.
func (s scrape) value(selector string) (v float64, found bool, err error) {
	words := strings.Fields(selector)
	name, part := "rotatord_"+words[0], ""
	if s[name] == nil {
		for _, suffix := range []string{"_count", "_sum"} {
			if base, ok := strings.CutSuffix(name, suffix); ok {
				name, part = base, suffix
			}
		}
	}
	for _, m := range s[name].GetMetric() {
		if !slices.ContainsFunc(words[1:], func(w string) bool { k, v, _ := strings.Cut(w, "="); return label(m, k) != v }) {
			if found {
				return 0, true, fmt.Errorf("%s: more than one series", selector)
			}
			v, found = number(m, part), true
		}
	}
	return v, found, nil
}

func number(m *dto.Metric, part string) float64 {
	switch {
	case m.Histogram != nil && part == "_sum":
		return m.Histogram.GetSampleSum()
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	case m.Counter != nil:
		return m.Counter.GetValue()
	}
	return m.GetGauge().GetValue()
}

// prediction is what a series' value is to be.
type prediction struct{ least, most float64 }

func is(v float64) prediction              { return prediction{v, v} }
func atLeast(v float64) prediction         { return prediction{v, math.Inf(1)} }
func between(low, high float64) prediction { return prediction{low, high} }
func unix(t time.Time) prediction          { return is(float64(t.Unix())) }

// since is a moment after t, while a test is patient.
func since(t time.Time) prediction {
	return between(float64(t.Add(-time.Second).Unix()), float64(t.Add(patience).Unix()))
}

// absent is a series that does not exist.
func absent() prediction { return is(math.NaN()) }

func (p prediction) check(v float64, found bool) bool {
	if math.IsNaN(p.least) || !found {
		return math.IsNaN(p.least) && !found
	}
	return p.least <= v && v <= p.most
}

// expectations are predictions by selector.
type expectations map[string]prediction

// predict waits until the daemon's metrics are as predicted.
func (d *daemon) predict(want expectations) {
	d.t.Helper()
	d.until(func() error {
		s, err := d.scrape()
		if err != nil {
			return err
		}
		return s.check(want)
	})
}

func (s scrape) check(want expectations) error {
	var wrong []string
	for _, selector := range slices.Sorted(maps.Keys(want)) {
		v, found, err := s.value(selector)
		if err != nil || !want[selector].check(v, found) {
			wrong = append(wrong, fmt.Sprintf("%s: want %v, got %v (found %v) %v", selector, want[selector], v, found, err))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("metrics:\n%s", strings.Join(wrong, "\n"))
	}
	return nil
}
