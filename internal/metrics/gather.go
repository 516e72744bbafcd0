package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// gatherer joins the registry's families with those read from the slots. The
// latter do not pass through the registry: it would hash, check and sort each
// of a large fleet's million series at every scrape.
type gatherer struct{ m *Metrics }

var _ prometheus.TransactionalGatherer = gatherer{}

// Gather gives all families, sorted by name. They may be used until done is called.
func (g gatherer) Gather() (families []*dto.MetricFamily, done func(), err error) {
	families, err = g.m.registry.Gather()
	s := g.m.scans.Get().(*scan)
	families = append(families, g.m.scan(s)...)
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, func() { s.reset(); g.m.scans.Put(s) }, err
}

// scan reads the slots' families into s.
func (m *Metrics) scan(s *scan) []*dto.MetricFamily {
	s.begin(m.now(), m.perSlot.Load())
	m.configured.mu.Lock()
	for sink := range m.configured.sinks {
		s.deliveries.expect(sink)
	}
	for account := range m.configured.accounts {
		s.retirements.expect(account)
	}
	m.configured.mu.Unlock()
	if source := m.source.Load(); source != nil {
		(*source).Slots(s.slot)
	}
	m.rotations.each(s.perSlot, s.rotation)
	return s.finish()
}
