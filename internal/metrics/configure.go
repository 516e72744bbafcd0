package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// SlotRef names a configured slot.
type SlotRef struct {
	Relay    string // key in the configuration
	Type     moq.TokenType
	Account  string // key in the configuration
	Strategy moq.Strategy
}

// SinkRef names a configured sink.
type SinkRef struct {
	Name          string // key in the configuration
	Type          string
	ProbeInterval time.Duration
}

// configured is what the present configuration names.
type configured struct {
	mu       sync.Mutex
	sinks    map[string]SinkRef // by name
	accounts map[string]bool
}

func (c *configured) hasAccount(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accounts[name]
}

// Configure makes every counter of the given slots, sinks and accounts exist,
// at zero when it is new, and deletes the series of those that are gone. Call
// it at the start and after each reload.
func (m *Metrics) Configure(slots []SlotRef, sinks []SinkRef, accounts []string) {
	m.rotations.configure(slots)
	m.configured.mu.Lock()
	defer m.configured.mu.Unlock()
	m.configureSinks(sinks)
	m.configureAccounts(accounts)
	for _, s := range slots {
		m.took.WithLabelValues(string(s.Strategy))
	}
}

func (m *Metrics) configureSinks(refs []SinkRef) {
	next := make(map[string]SinkRef, len(refs))
	for _, r := range refs {
		next[r.Name] = r
	}
	for name, r := range m.configured.sinks {
		if next[name].Type != r.Type {
			m.forgetSink(name)
		}
	}
	for name, r := range next {
		m.expectSink(name, r.Type)
	}
	m.configured.sinks = next
}

// contactIntervals are how long an accepted call of each sink and account counts.
func (c *configured) contactIntervals() (sinks, accounts map[string]time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sinks, accounts = make(map[string]time.Duration, len(c.sinks)), make(map[string]time.Duration, len(c.accounts))
	for name, r := range c.sinks {
		sinks[name] = r.ProbeInterval
	}
	for name := range c.accounts {
		accounts[name] = accountWithin
	}
	return sinks, accounts
}

func (m *Metrics) expectSink(name, typ string) {
	m.deliveries.WithLabelValues(name, typ, deliveryResult(true))
	m.deliveries.WithLabelValues(name, typ, deliveryResult(false))
	m.delivery.WithLabelValues(name)
	m.drift.WithLabelValues(name)
}

func (m *Metrics) forgetSink(name string) {
	l := prometheus.Labels{"sink": name}
	m.deliveries.DeletePartialMatch(l)
	m.delivery.DeletePartialMatch(l)
	m.sinkContacts.forget(name)
	m.drift.DeletePartialMatch(l)
}

func (m *Metrics) configureAccounts(names []string) {
	next := make(map[string]bool, len(names))
	for _, n := range names {
		next[n] = true
		m.expectAccount(n)
	}
	for n := range m.configured.accounts {
		if !next[n] {
			m.forgetAccount(n)
		}
	}
	m.configured.accounts = next
}

// operations lists the calls to Cloudflare with the status of their success.
func operations() map[string]int {
	return map[string]int{"create": 201, "list": 200, "revoke": 200, "rotate": 200, "relay": 200, "verify": 200}
}

// expectAccount adds the codes that everybody alerts on; others come as they are met.
func (m *Metrics) expectAccount(name string) {
	m.contradicted.WithLabelValues(name)
	for op, success := range operations() {
		m.request.WithLabelValues(name, op)
		for _, code := range []string{strconv.Itoa(success), "429", "error"} {
			m.requests.WithLabelValues(name, op, code)
		}
	}
	for _, step := range slot.Stages() {
		for _, reason := range fault.Reasons() {
			m.failures.WithLabelValues(name, string(step), string(reason))
		}
	}
}

func (m *Metrics) forgetAccount(name string) {
	l := prometheus.Labels{"account": name}
	m.failures.DeletePartialMatch(l)
	m.contradicted.DeletePartialMatch(l)
	m.requests.DeletePartialMatch(l)
	m.request.DeletePartialMatch(l)
	m.limit.DeletePartialMatch(l)
	m.remaining.DeletePartialMatch(l)
	m.accountContacts.forget(name)
	m.blocked.DeletePartialMatch(l)
	m.apiTokenEnds.DeletePartialMatch(l)
}
