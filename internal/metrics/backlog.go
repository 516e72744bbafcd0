package metrics

import (
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// backlog counts what waits, by sink or by account.
type backlog struct {
	label         string
	waiting       map[string]wait
	count, oldest *dto.MetricFamily
}

type wait struct {
	n     int
	since time.Time
}

func newDeliveries() backlog {
	return backlog{
		label: "sink", waiting: map[string]wait{},
		count: gaugeFamily("pending_deliveries", "Targets of the sink that still lack a minted value."),
		oldest: gaugeFamily("oldest_pending_delivery_timestamp_seconds",
			"Since when the sink's longest waiting target lacks its value; absent when none does."),
	}
}

func newRetirements() backlog {
	return backlog{
		label: "account", waiting: map[string]wait{},
		count: gaugeFamily("pending_retirements", "Old tokens of the account's configured slots that are past their grace and not yet revoked."),
		oldest: gaugeFamily("oldest_pending_retirement_timestamp_seconds",
			"When the first grace of the account's tokens not yet revoked ended; absent when none is past it."),
	}
}

// startAtZero makes a count for key, so that it is shown before anything waits.
func (b *backlog) startAtZero(key string) {
	if _, ok := b.waiting[key]; !ok {
		b.waiting[key] = wait{}
	}
}

func (b *backlog) addWaiting(key string, since time.Time) {
	w := b.waiting[key]
	if w.n == 0 || since.Before(w.since) {
		w.since = since
	}
	w.n++
	b.waiting[key] = w
}

func (b *backlog) makeFamilies() []*dto.MetricFamily {
	for _, key := range slices.Sorted(maps.Keys(b.waiting)) {
		labels, w := []*dto.LabelPair{pair(b.label, key)}, b.waiting[key]
		addGauge(b.count, labels, gaugeOf(float64(w.n)))
		if w.n > 0 {
			addGauge(b.oldest, labels, gaugeOf(seconds(w.since)))
		}
	}
	return []*dto.MetricFamily{b.count, b.oldest}
}
