package metrics

import (
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Waits calls visit with how many calls of each account wait for their turn.
type Waits func(visit func(account string, waiting int))

// polled is what is asked for at each scrape, besides the slots.
type polled struct {
	waits       atomic.Pointer[Waits]
	journalSize atomic.Pointer[func() int64]
	stateFree   atomic.Pointer[func() int64]
	behind      atomic.Pointer[func() time.Duration]
}

// WatchWaits sets where it is read how many calls wait for their turn.
func (m *Metrics) WatchWaits(w Waits) { m.polled.waits.Store(&w) }

// WatchJournal sets where the size of the journal's files in bytes is read; -1: it is not known.
func (m *Metrics) WatchJournal(size func() int64) { m.polled.journalSize.Store(&size) }

// WatchState sets where it is read how many bytes are free for the state's folder; -1: it is not known.
func (m *Metrics) WatchState(free func() int64) { m.polled.stateFree.Store(&free) }

// WatchStandby sets where it is read for how long nobody has said that what this standby knows is up to date; negative:
// it is no standby.
func (m *Metrics) WatchStandby(behind func() time.Duration) { m.polled.behind.Store(&behind) }

// pollFamilies returns what is polled now, of the accounts that are configured.
func (p *polled) pollFamilies(configured map[string]time.Duration) []*dto.MetricFamily {
	waiting := gaugeFamily("budget_waiting", "Calls of the account that wait for their turn in the request budget.")
	if w := p.waits.Load(); w != nil {
		(*w)(func(account string, n int) {
			if _, ok := configured[account]; ok {
				addGauge(waiting, []*dto.LabelPair{pair("account", account)}, gaugeOf(float64(n)))
			}
		})
	}
	return []*dto.MetricFamily{
		waiting,
		bytesFamily("journal_size_bytes", "Size of the journal's files.", p.journalSize.Load()),
		bytesFamily("state_free_bytes", "What rotatord may still write to the file system of its state, or to etcd.", p.stateFree.Load()),
		behindFamily(p.behind.Load()),
	}
}

func behindFamily(behind *func() time.Duration) *dto.MetricFamily {
	f := gaugeFamily("standby_behind_seconds",
		"For how long nobody has said that what this standby knows is up to date; absent where it leads, or is alone.")
	if behind == nil {
		return f
	}
	if d := (*behind)(); d >= 0 {
		addGauge(f, nil, gaugeOf(d.Seconds()))
	}
	return f
}

// bytesFamily has one value, or none where that is not known.
func bytesFamily(name, help string, bytes *func() int64) *dto.MetricFamily {
	f := gaugeFamily(name, help)
	if bytes == nil {
		return f
	}
	if n := (*bytes)(); n >= 0 {
		addGauge(f, nil, gaugeOf(float64(n)))
	}
	return f
}
