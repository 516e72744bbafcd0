// Package metrics is what rotatord tells Prometheus. It keeps a registry of
// its own, takes in what the other packages observe, and reads the slots' gauges
// from their status at each scrape.
//
// What happens is counted as it happens, by the methods of Metrics, which implement the Observers of the other
// packages. What is, is asked for: a gauge of a slot cannot be out of date, and one that left the configuration
// leaves no series behind. Counters are there from the start, at zero, so that the first failure shows as an
// increase. Labels come from closed sets or from the configuration; what others wrote is never one. How the families
// of very large fleets are built is apart, in families.go, fleet.go and rotations.go.
package metrics

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rotatord/rotatord/internal/slot"
)

const namespace = "rotatord"

// A scrape of a large fleet takes much memory: so many are held at once, in the
// making or not yet read, and the others wait.
const maxScrapes = 4

// Options are what New needs to know.
type Options struct {
	Version  string // of build_info
	Revision string // of build_info
	PerSlot  bool   // export series by relay and type

	// LogDropped counts the lines of the log that were not written; nil means none.
	LogDropped func() uint64

	// Now is the wall clock that says which graces are over; nil means time.Now.
	Now func() time.Time
}

// Source is asked for the slots' present status. The *Status is valid during its
// yield only. Yields are quick and do no I/O, so the source may hold a lock.
type Source interface {
	Statuses(yield func(*slot.Status) bool)
}

// Metrics holds every metric of the documentation. All methods are safe for
// concurrent use and none blocks; it implements rotation.Observer and, by
// shape, the observers of the Cloudflare client, the sinks and the journal.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time
	perSlot  atomic.Bool
	source   atomic.Pointer[Source]
	clocks   atomic.Pointer[Clocks]

	rotations  rotations
	configured configured
	polled     polled

	sinkContacts, accountContacts contacts

	failures     *prometheus.CounterVec   // account, step, reason
	took         *prometheus.HistogramVec // strategy
	blackout     prometheus.Histogram
	lag          prometheus.Histogram
	deliveries   *prometheus.CounterVec   // sink, sink_type, result
	delivery     *prometheus.HistogramVec // sink
	drift        *prometheus.CounterVec   // sink
	contradicted *prometheus.CounterVec   // account
	requests     *prometheus.CounterVec   // account, operation, code
	request      *prometheus.HistogramVec // account, operation
	limit        *prometheus.GaugeVec     // account
	remaining    *prometheus.GaugeVec     // account
	blocked      *prometheus.GaugeVec     // account
	apiTokenEnds *prometheus.GaugeVec     // account
	clockSteps   prometheus.Counter
	authFailures prometheus.Counter
	journalErrs  prometheus.Counter
	journal      prometheus.Histogram
	reloadOK     prometheus.Gauge
	reloadTime   prometheus.Gauge
	leader       prometheus.Gauge

	leaderSince   *prometheus.GaugeVec // no labels, and no series on a standby
	replicaConfig *prometheus.GaugeVec // replica, digest; of this replica alone
}

// New makes the metrics on a registry of their own. Call Watch and Configure
// before the first scrape.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), now: o.Now}
	if m.now == nil {
		m.now = time.Now
	}
	if o.LogDropped == nil {
		o.LogDropped = func() uint64 { return 0 }
	}
	m.perSlot.Store(o.PerSlot)
	m.makeRotationMetrics()
	m.makeSinkMetrics()
	m.makeAccountMetrics()
	m.makeDaemonMetrics(o)
	return m
}

// Watch sets where the slots' gauges are read from.
func (m *Metrics) Watch(s Source) { m.source.Store(&s) }

// SetPerSlot turns the series by relay and type on or off, for a reload.
func (m *Metrics) SetPerSlot(on bool) { m.perSlot.Store(on) }

func (m *Metrics) makeRotationMetrics() {
	m.failures = m.counterVec("rotation_failures_total",
		"Failed attempts of a rotation's step, by account and reason.", "account", "step", "reason")
	m.took = m.histogramVec("rotation_duration_seconds",
		"Time from the first mint call until the rotation was concluded: every required sink verified.", slow(), "strategy")
	m.blackout = m.histogram("blackout_seconds",
		"Time during which an in_place rotation left consumers without a valid token.", slow())
	m.lag = m.histogram("schedule_lag_seconds",
		"Time from the due instant of a rotation until its mint call.", slow())
}

func (m *Metrics) makeSinkMetrics() {
	m.deliveries = m.counterVec("sink_deliveries_total",
		"Writes to a sink's targets, by result (success, failure).", "sink", "sink_type", "result")
	m.delivery = m.histogramVec("sink_delivery_duration_seconds",
		"Duration of a write to a sink's target.", quick(), "sink")
	m.drift = m.counterVec("sink_drift_total",
		"Targets of the sink that were found missing or changed.", "sink")
}

func (m *Metrics) makeAccountMetrics() {
	m.contradicted = m.counterVec("token_claim_mismatches_total",
		"New tokens whose value claims something else than Cloudflare's answer told.", "account")
	m.requests = m.counterVec("cloudflare_requests_total",
		"Requests to Cloudflare, by HTTP status, or error when no answer came.", "account", "operation", "code")
	m.request = m.histogramVec("cloudflare_request_duration_seconds",
		"Duration of requests to Cloudflare.", quick(), "account", "operation")
	m.limit = m.gaugeVec("cloudflare_ratelimit_limit",
		"Requests that Cloudflare's rate limit allows in its window, as last told.", "account")
	m.remaining = m.gaugeVec("cloudflare_ratelimit_remaining",
		"Requests left in Cloudflare's present rate limit window, as last told.", "account")
	m.blocked = m.gaugeVec("account_blocked_until_timestamp_seconds",
		"Until when Cloudflare blocks the account's calls; absent when it does not.", "account")
	m.apiTokenEnds = m.gaugeVec("account_token_expiry_timestamp_seconds",
		"When the account's own API token expires; absent when it does not, or does not tell.", "account")
	register(m, newClockOffsets(m))
}

func (m *Metrics) makeDaemonMetrics(o Options) {
	m.journalErrs = m.counter("journal_errors_total", "Writes to the journal, and checks of it, that failed.")
	m.journal = m.histogram("journal_write_duration_seconds",
		"Duration of durable writes to the journal.", journalBuckets())
	m.authFailures = m.counter("http_auth_failures_total", "Failed logins at the TCP listener: passwords and client certificates.")
	m.clockSteps = m.counter("clock_steps_total", "Times that somebody set the wall clock, by more than it is slewed.")
	m.reloadOK = m.gauge("config_last_reload_successful",
		"Whether the last load of the configuration succeeded (1) or not (0).")
	m.reloadTime = m.gauge("config_last_reload_success_timestamp_seconds",
		"When the configuration was last loaded successfully.")
	register(m, prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: "log_lines_dropped_total",
		Help: "Lines of the log that could not be written, or that nobody took while there was room.",
	}, func() float64 { return float64(o.LogDropped()) }))
	m.leader = m.gauge("leader", "Whether this replica does the rotating (1) or stands by (0).")
	m.leaderSince = m.gaugeVec("leader_since_timestamp_seconds",
		"Since when this replica does the rotating; absent while it stands by.")
	m.replicaConfig = m.gaugeVec("replica_config_info",
		"The digest of the configuration that this replica has in force; always 1, absent without replicas.", "replica", "digest")
	m.gaugeVec("build_info", "What this rotatord was built from; always 1.", "version", "revision", "goversion").
		WithLabelValues(o.Version, o.Revision, runtime.Version()).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}
