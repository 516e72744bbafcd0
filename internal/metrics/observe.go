package metrics

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// RotationCounted counts what came of a rotation: a failure with each failed attempt. took is observed of a success.
func (m *Metrics) RotationCounted(p *slot.Plan, s moq.Strategy, result slot.Result, took time.Duration) {
	m.rotations.countResult(p.Relay, kind{p.Key.Type, s}, result)
	if result == slot.ResultSuccess {
		m.took.WithLabelValues(string(s)).Observe(took.Seconds())
	}
}

// AttemptFailed counts a failed attempt of a step. A reason outside the closed
// set counts as internal.
func (m *Metrics) AttemptFailed(account string, step slot.Stage, reason string) {
	if !slices.Contains(fault.Reasons(), fault.Reason(reason)) {
		reason = string(fault.Internal)
	}
	m.failures.WithLabelValues(account, string(step), reason).Inc()
}

// LagMeasured observes how long after its due instant a rotation's mint was called.
func (m *Metrics) LagMeasured(lag time.Duration) { m.lag.Observe(max(lag, 0).Seconds()) }

// BlackoutEnded observes how long consumers were locked out.
func (m *Metrics) BlackoutEnded(d time.Duration) { m.blackout.Observe(d.Seconds()) }

// Drifted counts a target of sink that was found missing or changed.
func (m *Metrics) Drifted(sink string) { m.drift.WithLabelValues(sink).Inc() }

// ClaimsContradicted counts a mint whose value claims something else than its answer told.
func (m *Metrics) ClaimsContradicted(account string) { m.contradicted.WithLabelValues(account).Inc() }

// Delivered counts and times one write to a target of sink.
func (m *Metrics) Delivered(sink, sinkType string, ok bool, took time.Duration) {
	m.deliveries.WithLabelValues(sink, sinkType, deliveryResult(ok)).Inc()
	m.delivery.WithLabelValues(sink).Observe(took.Seconds())
}

func deliveryResult(ok bool) string {
	if ok {
		return string(slot.ResultSuccess)
	}
	return string(slot.ResultFailure)
}

// Contacted notes the outcome of a call to sink.
func (m *Metrics) Contacted(sink string, up bool, at time.Time) { m.sinkContacts.note(sink, up, at) }

// SinkDown notes that a sink cannot work as things are, whatever its calls came to before.
func (m *Metrics) SinkDown(sink string) { m.sinkContacts.noteDown(sink, m.now()) }

// Request counts and times one request to Cloudflare; code is the HTTP status,
// or "error" when no answer came.
func (m *Metrics) Request(account, operation, code string, took time.Duration) {
	m.requests.WithLabelValues(account, operation, code).Inc()
	m.request.WithLabelValues(account, operation).Observe(took.Seconds())
}

// RateLimitPolicy notes how many requests Cloudflare said it allows.
func (m *Metrics) RateLimitPolicy(account string, limit int) {
	m.limit.WithLabelValues(account).Set(float64(limit))
}

// RateLimit notes how many requests Cloudflare said are left.
func (m *Metrics) RateLimit(account string, remaining int) {
	m.remaining.WithLabelValues(account).Set(float64(remaining))
}

// Up notes whether an answer showed the account to be reachable and its API token to be accepted, if not for this call.
func (m *Metrics) Up(account string, up bool) { m.accountContacts.note(account, up, m.now()) }

// AccountDown notes that an account cannot work as things are, whatever its requests came to before.
func (m *Metrics) AccountDown(account string) { m.accountContacts.noteDown(account, m.now()) }

// Blocked notes until when the account's calls are blocked; the zero time ends it.
func (m *Metrics) Blocked(account string, until time.Time) {
	if until.IsZero() {
		m.blocked.DeleteLabelValues(account)
		return
	}
	m.blocked.WithLabelValues(account).Set(seconds(until))
}

// Reloaded notes the outcome of loading the configuration, at the start too.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	m.reloadOK.Set(truth(ok))
	if ok {
		m.reloadTime.Set(seconds(at))
	}
}

// AuthFailed counts a failed login at the TCP listener.
func (m *Metrics) AuthFailed() { m.authFailures.Inc() }

// Leader notes since when this replica does the rotating; the zero time: it stands by.
func (m *Metrics) Leader(since time.Time) {
	m.leader.Set(truth(!since.IsZero()))
	if since.IsZero() {
		m.leaderSince.Reset()
		return
	}
	m.leaderSince.WithLabelValues().Set(seconds(since))
}

// ReplicaConfig notes the digest of the configuration that a replica has in force.
func (m *Metrics) ReplicaConfig(replica, digest string) {
	m.replicaConfig.Reset()
	m.replicaConfig.WithLabelValues(replica, digest).Set(1)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is the Unix time with its fraction.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// JournalWrite times a durable write to the journal and counts it when it failed.
func (m *Metrics) JournalWrite(took time.Duration, err error) {
	m.journal.Observe(took.Seconds())
	if err != nil {
		m.journalErrs.Inc()
	}
}
