package workload

import (
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
)

const day = 24 * time.Hour

// Operations are what is done at one target of a slot.
type Operations struct {
	Trials, Writes, Reads int // in one rotation
}

// OperationsOf returns what one rotation of s does at a target: it is tried before the mint, written,
// read back, and, where a token is revoked later, read before that.
func OperationsOf(s *config.Slot, required bool) Operations {
	o := Operations{Trials: 1, Writes: 1}
	if s.Verify {
		o.Reads++
	}
	if s.Verify && required && s.Strategy == moq.Overlap {
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
	slots := f.cfg.Slots()
	for i := range slots {
		f.addTargets(loads, &slots[i])
	}
	var out []Sink
	for _, name := range sortedNames(loads) {
		l := loads[name]
		l.Calls += min(l.looked, day.Minutes()) * float64(l.calls.PerMinute)
		out = append(out, l.Sink)
	}
	return out
}

func (f *fleet) addTargets(loads map[string]*sinkLoad, s *config.Slot) {
	rate, probes := f.rotationsPerDay(s), f.probesPerDay(s)
	for _, t := range s.Targets {
		l := loads[t.Sink]
		o := OperationsOf(s, t.Required)
		l.Targets++
		l.Calls += probes * float64(l.calls.Probe)
		l.Calls += rate * float64(o.Trials*l.calls.Trial+o.Writes*l.calls.Write+o.Reads*l.calls.Read)
		l.looked += probes + rate*float64(o.Trials)
	}
}

// probesPerDay is how often a day a slot's targets are looked at: all as often as the sink that asks for it most. The look
// before a mint counts as one, and the next comes an interval later.
func (f *fleet) probesPerDay(s *config.Slot) float64 {
	every := time.Duration(0)
	for _, t := range s.Targets {
		if every == 0 || t.ProbeInterval < every {
			every = t.ProbeInterval
		}
	}
	if every <= 0 {
		return 0
	}
	return max(0, float64(day)/float64(every)-f.rotationsPerDay(s))
}
