package workload

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

const day = 24 * time.Hour

// Operations are what is done at one target of a slot.
type Operations struct {
	Trials, Writes, Reads int // in one rotation
}

// OperationsOf returns what one rotation of such a slot does at a target: it is tried before the mint, written,
// read back, and, where a token is revoked later, read before that.
func OperationsOf(p *slot.Policy, required bool) Operations {
	o := Operations{Trials: 1, Writes: 1}
	if p.Verify {
		o.Reads++
	}
	if p.Verify && required && p.Strategy == moq.Overlap {
		o.Reads++
	}
	return o
}

// sinkLoad gathers what a sink sees a day.
type sinkLoad struct {
	Sink
	calls  sinks.Calls
	looked float64 // probes and trials
}

func (f *fleet) sinkCalls() []Sink {
	loads := make(map[string]*sinkLoad, len(f.cfg.Sinks))
	for name, spec := range f.cfg.Sinks {
		loads[name] = &sinkLoad{Sink: Sink{Name: name}, calls: sinks.CallsOf(spec)}
	}
	for _, p := range f.cfg.Plans() {
		f.addTargets(loads, p)
	}
	var out []Sink
	for _, name := range sortedNames(loads) {
		l := loads[name]
		l.Calls += min(l.looked, day.Minutes()) * float64(l.calls.PerMinute)
		out = append(out, l.Sink)
	}
	return out
}

func (f *fleet) addTargets(loads map[string]*sinkLoad, p *slot.Plan) {
	rate, probes := f.rotationsPerDay(p), f.probesPerDay(p)
	for _, t := range p.Targets {
		l := loads[t.Sink]
		o := OperationsOf(p.Policy, t.Required)
		l.Targets++
		l.Calls += probes * float64(l.calls.Probe)
		l.Calls += rate * float64(o.Trials*l.calls.Trial+o.Writes*l.calls.Write+o.Reads*l.calls.Read)
		l.looked += probes + rate*float64(o.Trials)
	}
}

// probesPerDay is how often a day a slot's targets are looked at: all as often as the sink that asks for it most. The look
// before a mint counts as one, and the next comes an interval later.
func (f *fleet) probesPerDay(p *slot.Plan) float64 {
	return max(0, float64(day)/float64(p.CheckInterval())-f.rotationsPerDay(p))
}
