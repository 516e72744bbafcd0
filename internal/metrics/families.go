package metrics

import (
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/internal/slot"
)

// slotFamilies builds, for one scrape, the families that are read from the slots.
type slotFamilies struct {
	perSlot bool
	now     time.Time

	gauges      []slotGauge
	byGauge     []*dto.MetricFamily // one for each of gauges
	state       *dto.MetricFamily
	info        infoFamily
	rotations   *dto.MetricFamily
	deliveries  backlog
	retirements backlog
	sums        *fleetSums
	foreign     foreignTokens

	states  []*dto.LabelPair
	results []*dto.LabelPair // in the order of slot.Results
	off, on *dto.Gauge       // shared: most of slot_state is 0
}

func newSlotFamilies(now time.Time, perSlot bool) *slotFamilies {
	f := &slotFamilies{
		perSlot: perSlot, now: now, gauges: slotGauges(), info: newInfoFamily(), off: gaugeOf(0), on: gaugeOf(1),
		state:      gaugeFamily("slot_state", "Whether the slot is in the state; exactly one of a slot's states is 1."),
		rotations:  counterFamily("rotations_total", "What came of rotations, by result: success, superseded, and failure for each failed attempt."),
		deliveries: newDeliveries(), retirements: newRetirements(), sums: newFleetSums(),
		foreign: newForeignTokens(),
	}
	for _, g := range f.gauges {
		f.byGauge = append(f.byGauge, gaugeFamily(g.name, g.help))
	}
	for _, s := range slot.States() {
		f.states = append(f.states, pair("state", string(s)))
	}
	for _, r := range slot.Results() {
		f.results = append(f.results, pair("result", string(r)))
	}
	return f
}

// addSlot takes in one slot; it is the yield of Source.Statuses.
func (f *slotFamilies) addSlot(st *slot.Status) bool {
	f.addBacklogs(st)
	f.sums.sumUp(st)
	if !f.perSlot {
		return true
	}
	relay, typ := pair("relay", st.Relay), pair("type", string(st.Type))
	labels := []*dto.LabelPair{relay, typ}
	for i, g := range f.gauges {
		if v, ok := g.value(st); ok {
			addGauge(f.byGauge[i], labels, gaugeOf(v))
		}
	}
	for _, state := range f.states {
		value := f.off
		if state.GetValue() == string(st.State) {
			value = f.on
		}
		addGauge(f.state, []*dto.LabelPair{relay, state, typ}, value)
	}
	f.info.addInfo(st, relay, typ)
	return true
}

// addBacklogs counts what of a slot is waiting at sinks and accounts.
func (f *slotFamilies) addBacklogs(st *slot.Status) {
	for i := range st.Sinks {
		if t := &st.Sinks[i]; !t.PendingSince.IsZero() {
			f.deliveries.addWaiting(t.Sink, t.PendingSince)
		}
	}
	for i := range st.OldTokens {
		if t := &st.OldTokens[i]; !t.LeftToExpire && !t.Retire.IsZero() && !t.Retire.After(f.now) {
			f.retirements.addWaiting(st.Account, t.Retire)
		}
	}
	if len(st.ForeignInstanceTokens) > 0 {
		f.foreign.addTokens(st.Account, st.ForeignInstanceTokens...)
	}
}

// addRotations takes in one slot's count.
func (f *slotFamilies) addRotations(c *count) {
	relay, strategy, typ := pair("relay", c.relay), pair("strategy", string(c.strategy)), pair("type", string(c.typ))
	for i, n := range c.results {
		value := float64(n)
		f.rotations.Metric = append(f.rotations.Metric, &dto.Metric{
			Label: []*dto.LabelPair{relay, f.results[i], strategy, typ}, Counter: &dto.Counter{Value: &value},
		})
	}
}

// list returns the families that have a metric.
func (f *slotFamilies) list() []*dto.MetricFamily {
	all := append(slices.Clone(f.byGauge), f.state, f.info.labelledFamily(), f.rotations, f.foreign.countFamily())
	all = append(all, f.deliveries.makeFamilies()...)
	all = append(all, f.retirements.makeFamilies()...)
	return withMetrics(append(all, f.sums.sumFamilies()...))
}

// withMetrics are the families that have a metric.
func withMetrics(all []*dto.MetricFamily) []*dto.MetricFamily {
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 })
}

func gaugeFamily(name, help string) *dto.MetricFamily {
	return &dto.MetricFamily{Name: new(namespace + "_" + name), Help: &help, Type: new(dto.MetricType_GAUGE)}
}

func counterFamily(name, help string) *dto.MetricFamily {
	return &dto.MetricFamily{Name: new(namespace + "_" + name), Help: &help, Type: new(dto.MetricType_COUNTER)}
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

func gaugeOf(v float64) *dto.Gauge { return &dto.Gauge{Value: &v} }

// addGauge adds a metric; labels are sorted by name.
func addGauge(f *dto.MetricFamily, labels []*dto.LabelPair, value *dto.Gauge) {
	f.Metric = append(f.Metric, &dto.Metric{Label: labels, Gauge: value})
}
