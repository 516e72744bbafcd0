package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

type fleet []slot.Status

func (f fleet) Statuses(yield func(*slot.Status) bool) {
	var shared slot.Status // as a source may: valid during the yield only
	for _, s := range f {
		shared = s
		if !yield(&shared) {
			return
		}
	}
}

// busy is a slot that has every gauge at once.
func busy() slot.Status {
	return slot.Status{
		Relay: "live", Type: moq.Subscribe, RelayID: strings.Repeat("a", 32), Account: "main", Strategy: moq.Overlap,
		Labels: map[string]string{"team": "video", "cost-center": "7"}, State: slot.StateFailing,
		TokenCreated: now.Add(-time.Hour), TokenExpires: now.Add(time.Hour), LastRotation: now.Add(-time.Hour),
		NextRotation: now.Add(-time.Minute), NextAttempt: now.Add(time.Minute), BlackoutSince: now.Add(-2 * time.Minute), ConsecutiveFailures: 3,
		Sinks: []slot.TargetStatus{
			{Sink: "disk", PendingSince: now.Add(-3 * time.Minute), State: slot.TargetPending}, {Sink: "vault", State: slot.TargetMissing, Required: true},
		},
		OldTokens: []slot.TokenStatus{
			{Retire: now.Add(-time.Minute)}, {Retire: now.Add(-time.Hour)}, // past their grace
			{Retire: now.Add(time.Minute)}, {Retire: now.Add(-time.Hour), LeftToExpire: true}, {},
		},
	}
}

func quiet() slot.Status {
	return slot.Status{
		Relay: "edge", Type: moq.PublishSubscribe, Account: "main", Strategy: moq.InPlace,
		State: slot.StateIdle, Manual: true, NextRotation: now.Add(time.Hour),
	}
}

func refs() []SlotRef {
	return []SlotRef{{"live", moq.Subscribe, "main", moq.Overlap}, {"edge", moq.PublishSubscribe, "main", moq.InPlace}}
}

func sinkRefs() []SinkRef {
	return []SinkRef{{"disk", "file", time.Minute}, {"vault", "vault", time.Minute}}
}

func newMetrics(t *testing.T, perSlot bool) *Metrics {
	t.Helper()
	m := New(Options{Version: "1.2.3", Revision: "abc", PerSlot: perSlot, Now: func() time.Time { return now }})
	m.Configure(refs(), sinkRefs(), []string{"main"})
	m.Watch(fleet{busy(), quiet()})
	m.WatchWaits(func(visit func(string, int)) { visit("main", 3) })
	m.WatchJournal(func() int64 { return 1 << 20 })
	m.WatchState(func() int64 { return 1 << 30 })
	return m
}

// exercise makes every metric that is absent at rest appear.
func exercise(m *Metrics) {
	m.Contacted("disk", true, now)
	m.RateLimitPolicy("main", 1200)
	m.RateLimit("main", 42)
	m.Up("main", true)
	m.Blocked("main", now.Add(time.Minute))
	m.APITokenExpires("main", now.Add(time.Hour))
	m.Leader(now)
	m.ReplicaConfig("moq1:9476", "0123")
	m.WatchStandby(func() time.Duration { return 1500 * time.Millisecond })
	m.WatchClocks(func(yield func(string, time.Duration)) { yield("main", -90*time.Second) })
}

func gather(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := gatherer{m}.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		if byName[f.GetName()] != nil {
			t.Errorf("family %s twice", f.GetName())
		}
		byName[f.GetName()] = f
	}
	return byName
}

// series renders a family's metrics as `label=value …` to their number.
func series(f *dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for _, m := range f.GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		out[strings.Join(labels, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() +
			float64(m.GetHistogram().GetSampleCount())
	}
	return out
}

func scrape(t *testing.T, m *Metrics, accept string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}
