package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Clocks visits every account whose time is known, with how far the wall clock is ahead of it.
type Clocks func(yield func(account string, offset time.Duration))

// clockOffsets reads the clocks at each scrape: a wall clock may be set at any time.
type clockOffsets struct {
	m    *Metrics
	desc *prometheus.Desc
}

func newClockOffsets(m *Metrics) clockOffsets {
	return clockOffsets{m, prometheus.NewDesc(namespace+"_clock_offset_seconds",
		"This machine's clock less Cloudflare's, as the account's answers tell it; absent while they do not.", []string{"account"}, nil)}
}

// Describe implements prometheus.Collector.
func (c clockOffsets) Describe(all chan<- *prometheus.Desc) { all <- c.desc }

// Collect implements prometheus.Collector.
func (c clockOffsets) Collect(all chan<- prometheus.Metric) {
	clocks := c.m.clocks.Load()
	if clocks == nil {
		return
	}
	(*clocks)(func(account string, offset time.Duration) {
		if !c.m.configured.hasAccount(account) {
			return
		}
		all <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, offset.Seconds(), account)
	})
}

// WatchClocks sets where the accounts' clocks are read from.
func (m *Metrics) WatchClocks(c Clocks) { m.clocks.Store(&c) }

// ClockStepped counts a step of the wall clock.
func (m *Metrics) ClockStepped() { m.clockSteps.Inc() }

// APITokenExpires notes when the account's own API token expires; the zero time: it does not, or that is not known.
func (m *Metrics) APITokenExpires(account string, at time.Time) {
	if at.IsZero() {
		m.apiTokenEnds.DeleteLabelValues(account)
		return
	}
	m.apiTokenEnds.WithLabelValues(account).Set(seconds(at))
}
