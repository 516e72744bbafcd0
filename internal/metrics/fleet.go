package metrics

import (
	"maps"
	"slices"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/internal/slot"
)

// fleetSums sum the slots up by account, and their targets by sink, for fleets that are watched without series by slot.
type fleetSums struct {
	states       []slot.State
	targetStates []slot.TargetState
	accounts     map[string]*accountSum
	sinks        map[string]*targetSum
}

// accountSum is the sum of an account's slots.
type accountSum struct {
	slots            []int // in the order of slot.States
	overdue          int
	expiry, blackout time.Time // the first; zero: there is none
}

// targetSum is how many targets of a sink are in each state, in the order of slot.TargetStates.
type targetSum struct{ optional, required []int }

func newFleetSums() *fleetSums {
	return &fleetSums{
		states: slot.States(), targetStates: slot.TargetStates(),
		accounts: map[string]*accountSum{}, sinks: map[string]*targetSum{},
	}
}

func (f *fleetSums) sumOfAccount(name string) *accountSum {
	a := f.accounts[name]
	if a == nil {
		a = &accountSum{slots: make([]int, len(f.states))}
		f.accounts[name] = a
	}
	return a
}

func (f *fleetSums) sumOfSink(name string) *targetSum {
	s := f.sinks[name]
	if s == nil {
		s = &targetSum{make([]int, len(f.targetStates)), make([]int, len(f.targetStates))}
		f.sinks[name] = s
	}
	return s
}

func (f *fleetSums) sumUp(st *slot.Status) {
	a := f.sumOfAccount(st.Account)
	if i := slices.Index(f.states, st.State); i >= 0 {
		a.slots[i]++
	}
	if st.Overdue {
		a.overdue++
	}
	a.expiry, a.blackout = earlier(a.expiry, st.TokenExpires), earlier(a.blackout, st.BlackoutSince)
	for i := range st.Sinks {
		t := &st.Sinks[i]
		counts := f.sumOfSink(t.Sink).optional
		if t.Required {
			counts = f.sumOfSink(t.Sink).required
		}
		if i := slices.Index(f.targetStates, t.State); i >= 0 {
			counts[i]++
		}
	}
}

func (f *fleetSums) sumFamilies() []*dto.MetricFamily {
	return append(f.accountFamilies(), f.targetFamily())
}

func (f *fleetSums) accountFamilies() []*dto.MetricFamily {
	slots := gaugeFamily("slots", "Slots of the account, by state.")
	overdue := gaugeFamily("slots_overdue", "Slots of the account that are overdue.")
	expiry := gaugeFamily("earliest_token_expiry_timestamp_seconds",
		"When the first of the tokens that the account's slots serve expires; absent when none is known to.")
	blackout := gaugeFamily("oldest_blackout_start_timestamp_seconds",
		"Since when the first of the account's slots in blackout is; absent when none is.")
	for _, name := range slices.Sorted(maps.Keys(f.accounts)) {
		a, account := f.accounts[name], pair("account", name)
		labels := []*dto.LabelPair{account}
		for i, state := range f.states {
			addGauge(slots, []*dto.LabelPair{account, pair("state", string(state))}, gaugeOf(float64(a.slots[i])))
		}
		addGauge(overdue, labels, gaugeOf(float64(a.overdue)))
		addTime(expiry, labels, a.expiry)
		addTime(blackout, labels, a.blackout)
	}
	return []*dto.MetricFamily{slots, overdue, expiry, blackout}
}

// earlier is the earlier of two times, where zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// addTime adds a metric unless there is no such time.
func addTime(f *dto.MetricFamily, labels []*dto.LabelPair, t time.Time) {
	if !t.IsZero() {
		addGauge(f, labels, gaugeOf(seconds(t)))
	}
}

func (f *fleetSums) targetFamily() *dto.MetricFamily {
	family := gaugeFamily("targets", "Targets of the sink, by whether they are required and by state; each is in one.")
	for _, name := range slices.Sorted(maps.Keys(f.sinks)) {
		for required, counts := range [][]int{f.sinks[name].optional, f.sinks[name].required} {
			for i, state := range f.targetStates {
				addGauge(family, []*dto.LabelPair{
					pair("required", strconv.FormatBool(required == 1)), pair("sink", name), pair("state", string(state)),
				}, gaugeOf(float64(counts[i])))
			}
		}
	}
	return family
}
