package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// gatherer joins the registry's families with those read from the slots, which
// do not pass through the registry: that would hash, check and sort each of a
// fleet's series. With a prometheus.Collector of the slots a scrape takes two to
// four times the processor time (BenchmarkScrape compares them): 0.9 s in place
// of 0.3 for 10,000 slots, and for 100,000 eleven seconds in place of 2.6, which is
// longer than Prometheus waits by itself, and 1.5 GB in place of 0.8.
type gatherer struct{ m *Metrics }

var _ prometheus.Gatherer = gatherer{}

// Gather returns all families, sorted by name.
func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	families, err := g.m.registry.Gather()
	families = append(families, g.m.slotFamilies()...)
	families = append(families, g.m.upstreamFamilies()...)
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, err
}

// slotFamilies reads the families of the slots.
func (m *Metrics) slotFamilies() []*dto.MetricFamily {
	f := newSlotFamilies(m.now(), m.perSlot.Load())
	m.configured.mu.Lock()
	for sink := range m.configured.sinks {
		f.deliveries.startAtZero(sink)
		f.sums.sumOfSink(sink)
	}
	for account := range m.configured.accounts {
		f.retirements.startAtZero(account)
		f.sums.sumOfAccount(account)
		f.foreign.addAccount(account)
	}
	m.configured.mu.Unlock()
	if source := m.source.Load(); source != nil {
		(*source).Statuses(f.addSlot)
	}
	m.rotations.each(f.perSlot, f.addRotations)
	return f.list()
}
