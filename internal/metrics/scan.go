package metrics

import (
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/internal/slot"
)

// slotGauge is a gauge of every slot that has the value.
type slotGauge struct {
	name, help string
	value      func(*slot.Status) (v float64, ok bool)
}

func slotGauges() []slotGauge {
	at := func(field func(*slot.Status) time.Time) func(*slot.Status) (float64, bool) {
		return func(s *slot.Status) (float64, bool) { t := field(s); return seconds(t), !t.IsZero() }
	}
	return []slotGauge{
		{"consecutive_failures", "Failed attempts since the slot's last success.",
			func(s *slot.Status) (float64, bool) { return float64(s.Failures), true }},
		{"blackout_start_timestamp_seconds", "Since when the slot's consumers are locked out; absent when they are not.",
			at(func(s *slot.Status) time.Time { return s.Blackout })},
		{"last_rotation_timestamp_seconds", "When the slot's last rotation was verified.",
			at(func(s *slot.Status) time.Time { return s.Rotated })},
		{"next_rotation_timestamp_seconds", "The slot's next rotation, or the oldest that is still unmet; absent for manual ones.",
			at(nextRotation)},
		{"next_attempt_timestamp_seconds", "When a failing slot is tried again; absent when it is not failing.",
			at(func(s *slot.Status) time.Time { return s.Attempt })},
		{"token_created_timestamp_seconds", "When the token that the slot serves was created.",
			at(func(s *slot.Status) time.Time { return s.Created })},
		{"token_expiry_timestamp_seconds", "When the token that the slot serves expires; absent when that is unknown.",
			at(func(s *slot.Status) time.Time { return s.Expires })},
	}
}

func nextRotation(s *slot.Status) time.Time {
	if s.Manual {
		return time.Time{}
	}
	return s.Next
}

// scan builds the families that are read from the slots in one pass over them.
// It is used again for the next scrape once its families are no longer needed.
type scan struct {
	perSlot bool
	now     time.Time

	gauges      []slotGauge
	gauge       []*dto.MetricFamily // one for each of gauges
	state       *dto.MetricFamily
	info        infos
	rotations   *dto.MetricFamily
	deliveries  backlog
	retirements backlog

	metrics  arena[dto.Metric]
	numbers  arena[dto.Gauge]
	counters arena[dto.Counter]
	values   arena[float64]
	pairs    arena[dto.LabelPair]
	lists    arena[*dto.LabelPair]
	strings  arena[string]
	zero     *dto.Gauge // shared by all metrics that have the value
	one      *dto.Gauge
	states   []*dto.LabelPair // in the order of rotation.States
	results  []*dto.LabelPair // in the order of rotation.Results
}

func newScan() *scan {
	s := &scan{
		gauges:    slotGauges(),
		state:     family("slot_state", "Whether the slot is in the state; exactly one of a slot's states is 1.", dto.MetricType_GAUGE),
		rotations: family("rotations_total", "Ended rotations, by result (success, failure, superseded).", dto.MetricType_COUNTER),
		info:      newInfos(),
		zero:      &dto.Gauge{Value: new(float64(0))},
		one:       &dto.Gauge{Value: new(float64(1))},
	}
	for _, g := range s.gauges {
		s.gauge = append(s.gauge, family(g.name, g.help, dto.MetricType_GAUGE))
	}
	for _, v := range slot.States() {
		s.states = append(s.states, &dto.LabelPair{Name: new("state"), Value: new(string(v))})
	}
	for _, v := range slot.Results() {
		s.results = append(s.results, &dto.LabelPair{Name: new("result"), Value: new(string(v))})
	}
	s.deliveries = newBacklog("sink", "pending_deliveries", "Targets of the sink that still lack a minted value.",
		"oldest_pending_delivery_timestamp_seconds", "Since when the sink's longest waiting target lacks its value; absent when none does.")
	s.retirements = newBacklog("account", "pending_retirements", "Old tokens of the account that are past their grace and not yet revoked.",
		"oldest_pending_retirement_timestamp_seconds", "When the first grace of the account's tokens not yet revoked ended; absent when none is past it.")
	return s
}

func family(name, help string, typ dto.MetricType) *dto.MetricFamily {
	return &dto.MetricFamily{Name: new(namespace + "_" + name), Help: &help, Type: &typ}
}

func (s *scan) begin(now time.Time, perSlot bool) { s.now, s.perSlot = now, perSlot }

// slot takes in one slot; it is the yield of Source.Slots.
func (s *scan) slot(st *slot.Status) bool {
	s.backlogs(st)
	if !s.perSlot {
		return true
	}
	relay, typ := s.pair(labelRelay, st.Relay), s.pair(labelType, string(st.Type))
	labels := s.labels(relay, typ)
	for i, g := range s.gauges {
		if v, ok := g.value(st); ok {
			s.add(s.gauge[i], labels, s.number(v))
		}
	}
	for i, v := range rotationStates {
		s.add(s.state, s.labels(relay, s.states[i], typ), s.flag(st.State == v))
	}
	s.info.add(s, st, relay, typ)
	return true
}

var rotationStates = slot.States()

// backlogs counts what of a slot is waiting at sinks and accounts.
func (s *scan) backlogs(st *slot.Status) {
	for i := range st.Sinks {
		if t := &st.Sinks[i]; !t.Pending.IsZero() {
			s.deliveries.add(t.Sink, t.Pending)
		}
	}
	for i := range st.Old {
		if t := &st.Old[i]; !t.Released && !t.Retire.IsZero() && !t.Retire.After(s.now) {
			s.retirements.add(st.Account, t.Retire)
		}
	}
}

// rotation takes in one slot's count.
func (s *scan) rotation(c *count) {
	relay, typ := s.pair(labelRelay, c.relay), s.pair(labelType, string(c.typ))
	strategy := s.pair(labelStrategy, string(c.strategy))
	for i, n := range c.results {
		counter := s.counters.next()
		counter.Value = s.value(float64(n))
		m := s.metrics.next()
		m.Label, m.Counter, m.Gauge = s.labels(relay, s.results[i], strategy, typ), counter, nil
		s.rotations.Metric = append(s.rotations.Metric, m)
	}
}

// finish gives the families that have a metric.
func (s *scan) finish() []*dto.MetricFamily {
	s.info.finish(s)
	s.deliveries.finish(s)
	s.retirements.finish(s)
	return slices.DeleteFunc(s.families(), func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 })
}

func (s *scan) families() []*dto.MetricFamily {
	return append(slices.Clone(s.gauge), s.state, s.info.family, s.rotations,
		s.deliveries.count, s.deliveries.oldest, s.retirements.count, s.retirements.oldest)
}

// reset makes s ready for another scrape, which overwrites its families.
func (s *scan) reset() {
	for _, f := range s.families() {
		f.Metric = f.Metric[:0]
	}
	s.info.reset()
	s.deliveries.reset()
	s.retirements.reset()
	s.metrics.reset()
	s.numbers.reset()
	s.counters.reset()
	s.values.reset()
	s.pairs.reset()
	s.lists.reset()
	s.strings.reset()
}

func (s *scan) add(f *dto.MetricFamily, labels []*dto.LabelPair, g *dto.Gauge) {
	m := s.metrics.next()
	m.Label, m.Gauge, m.Counter = labels, g, nil
	f.Metric = append(f.Metric, m)
}

func (s *scan) number(v float64) *dto.Gauge {
	switch v {
	case 0:
		return s.zero
	case 1:
		return s.one
	}
	g := s.numbers.next()
	g.Value = s.value(v)
	return g
}

func (s *scan) flag(b bool) *dto.Gauge { return s.number(truth(b)) }

func (s *scan) value(v float64) *float64 {
	p := s.values.next()
	*p = v
	return p
}

// pair makes a label; name is shared, not copied.
func (s *scan) pair(name *string, value string) *dto.LabelPair {
	v := s.strings.next()
	*v = value
	p := s.pairs.next()
	p.Name, p.Value = name, v
	return p
}

// labels makes a list of labels, which the caller gives sorted by name.
func (s *scan) labels(pairs ...*dto.LabelPair) []*dto.LabelPair {
	list := s.lists.take(len(pairs))
	copy(list, pairs)
	return list
}

// The labels of slots, by reference for the metrics' messages.
var (
	labelAccount  = new("account")
	labelRelay    = new("relay")
	labelRelayID  = new("relay_id")
	labelStrategy = new("strategy")
	labelType     = new("type")
)

// backlog counts what waits, by sink or by account.
type backlog struct {
	label         *string
	waiting       map[string]wait
	count, oldest *dto.MetricFamily
}

type wait struct {
	n     int
	since time.Time
}

func newBacklog(label, count, countHelp, oldest, oldestHelp string) backlog {
	return backlog{
		label: &label, waiting: map[string]wait{},
		count:  family(count, countHelp, dto.MetricType_GAUGE),
		oldest: family(oldest, oldestHelp, dto.MetricType_GAUGE),
	}
}

// expect makes key's count exist, at zero.
func (b *backlog) expect(key string) {
	if _, ok := b.waiting[key]; !ok {
		b.waiting[key] = wait{}
	}
}

func (b *backlog) add(key string, since time.Time) {
	w := b.waiting[key]
	if w.n == 0 || since.Before(w.since) {
		w.since = since
	}
	w.n++
	b.waiting[key] = w
}

func (b *backlog) finish(s *scan) {
	for _, key := range slices.Sorted(maps.Keys(b.waiting)) {
		labels, w := s.labels(s.pair(b.label, key)), b.waiting[key]
		s.add(b.count, labels, s.number(float64(w.n)))
		if w.n > 0 {
			s.add(b.oldest, labels, s.number(seconds(w.since)))
		}
	}
}

func (b *backlog) reset() { clear(b.waiting) }
