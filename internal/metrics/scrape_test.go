package metrics

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rotatord/rotatord/internal/slot"
)

// BenchmarkScrape compares a scrape with one whose slots are a plain collector of the registry, in turn.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{5, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("%d slots", n), func(b *testing.B) {
			f, slots := bigFleet(n)
			ours, plain := New(Options{PerSlot: true}), New(Options{PerSlot: true})
			for _, m := range []*Metrics{ours, plain} {
				m.Configure(slots, sinkRefs(), []string{"main"})
				m.Watch(f)
			}
			plain.registry.MustRegister(collector{plain})
			var took, plainTook time.Duration
			for b.Loop() {
				took += timed(b, ours.Handler())
				plainTook += timed(b, promhttp.HandlerFor(plain.registry, promhttp.HandlerOpts{}))
			}
			b.ReportMetric(took.Seconds()*1e3/float64(b.N), "ms/scrape")
			b.ReportMetric(plainTook.Seconds()/took.Seconds(), "collector/ours")
		})
	}
}

func timed(b *testing.B, h http.Handler) time.Duration {
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
	began := time.Now()
	h.ServeHTTP(discard{http.Header{}}, r)
	return time.Since(began)
}

func bigFleet(n int) (fleet, []SlotRef) {
	f, slots := make(fleet, n), make([]SlotRef, n)
	for i := range f {
		s := busy()
		s.Relay = fmt.Sprintf("relay-%06d", i)
		f[i], slots[i] = s, SlotRef{s.Relay, s.Type, s.Account, s.Strategy}
	}
	return f, slots
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(p []byte) (int, error) { return len(p), nil }

// collector is the slots' series made as Prometheus's library has it, through its registry.
type collector struct{ m *Metrics }

// Describe implements prometheus.Collector: nothing is known before the slots are.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	gauges, descs, state := slotGauges(), []*prometheus.Desc{}, desc("slot_state", "relay", "type", "state")
	for _, g := range gauges {
		descs = append(descs, desc(g.name, "relay", "type"))
	}
	(*c.m.source.Load()).Statuses(func(s *slot.Status) bool {
		for i, g := range gauges {
			if v, ok := g.value(s); ok {
				send(descs[i], prometheus.GaugeValue, v, s.Relay, string(s.Type))
			}
		}
		for _, v := range slot.States() {
			send(state, prometheus.GaugeValue, truth(s.State == v), s.Relay, string(s.Type), string(v))
		}
		labels := sanitised(s.Labels)
		names := append([]string{"account", "relay", "relay_id", "strategy", "type"}, slices.Sorted(maps.Keys(labels))...)
		values := []string{s.Account, s.Relay, s.RelayID, string(s.Strategy), string(s.Type)}
		for _, name := range names[len(values):] {
			values = append(values, labels[name])
		}
		send(desc("slot_info", names...), prometheus.GaugeValue, 1, values...)
		return true
	})
	rotations := desc("rotations_total", "relay", "type", "strategy", "result")
	c.m.rotations.each(true, func(n *count) {
		for i, v := range n.results {
			send(rotations, prometheus.CounterValue, float64(v), n.relay, string(n.typ), string(n.strategy), string(slot.Results()[i]))
		}
	})
}

func desc(name string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, "as ours", labels, nil)
}
