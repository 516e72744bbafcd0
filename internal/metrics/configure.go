package metrics

import (
	"strconv"
	"sync"

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
	Name string // key in the configuration
	Type string
}

// configured is what the present configuration names.
type configured struct {
	mu       sync.Mutex
	sinks    map[string]string // name to type
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
	next := make(map[string]string, len(refs))
	for _, r := range refs {
		next[r.Name] = r.Type
	}
	for name, typ := range m.configured.sinks {
		if next[name] != typ {
			m.forgetSink(name)
		}
	}
	for name, typ := range next {
		m.expectSink(name, typ)
	}
	m.configured.sinks = next
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
	m.sinkUp.DeletePartialMatch(l)
	m.lastProbe.DeletePartialMatch(l)
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
	m.remaining.DeletePartialMatch(l)
	m.accountUp.DeletePartialMatch(l)
	m.blocked.DeletePartialMatch(l)
	m.apiTokenEnds.DeletePartialMatch(l)
}
