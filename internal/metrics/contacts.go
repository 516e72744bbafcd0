package metrics

import (
	"maps"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// accountWithin is how long an accepted call shows that an account works, though others fail: accounts are not
// probed, and this is how long their answer counts elsewhere.
const accountWithin = time.Minute

// contacts keep of each sink, or account, when it last accepted a call and when one failed. Safe for concurrent use.
type contacts struct {
	mu sync.Mutex
	of map[string]contact
}

type contact struct {
	accepted, failed time.Time
}

// note notes how a call ended.
func (c *contacts) note(name string, accepted bool, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.of[name]
	if accepted {
		k.accepted = at
	} else {
		k.failed = at
	}
	c.set(name, k)
}

// noteDown notes that it cannot work, whatever was before.
func (c *contacts) noteDown(name string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(name, contact{failed: at})
}

func (c *contacts) set(name string, k contact) {
	if c.of == nil {
		c.of = map[string]contact{}
	}
	c.of[name] = k
}

func (c *contacts) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, name)
}

// addTo adds whether each that is configured works, and when it was last called; within is how long an accepted call
// of each counts.
func (c *contacts) addTo(up, last *dto.MetricFamily, label string, now time.Time, within map[string]time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(within)) {
		k, called := c.of[name]
		if !called {
			continue
		}
		labels := []*dto.LabelPair{pair(label, name)}
		addGauge(up, labels, gaugeOf(truth(k.works(now, within[name]))))
		addGauge(last, labels, gaugeOf(seconds(k.last())))
	}
}

// works reports whether a call was accepted lately; where there was none at all, it is as the last one showed.
func (k contact) works(now time.Time, within time.Duration) bool {
	return !k.accepted.IsZero() && (now.Sub(k.accepted) <= within || !k.failed.After(k.accepted))
}

func (k contact) last() time.Time {
	if k.failed.After(k.accepted) {
		return k.failed
	}
	return k.accepted
}

// upstreamFamilies are whether sinks and accounts work, and what is polled.
func (m *Metrics) upstreamFamilies() []*dto.MetricFamily {
	now := m.now()
	sinkUp := gaugeFamily("sink_up",
		"Whether a call within the last probe interval was accepted, or refused for its target's sake or for too many calls while the login "+
			"is good (1), or none was and one failed (0).")
	lastProbe := gaugeFamily("sink_last_probe_timestamp_seconds", "When the sink was last probed, read or written.")
	accountUp := gaugeFamily("account_up",
		"Whether a request was accepted within the last minute, or forbidden while the API token is good (1), or none was and one failed (0).")
	sinks, accounts := m.configured.contactIntervals()
	m.sinkContacts.addTo(sinkUp, lastProbe, "sink", now, sinks)
	m.accountContacts.addTo(accountUp, new(dto.MetricFamily), "account", now, accounts)
	return withMetrics(append(m.polled.pollFamilies(accounts), sinkUp, lastProbe, accountUp))
}
