package main

import (
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/scheduler"
)

// plans turns the configuration's slots into what the engine works from.
func plans(cfg *config.Config) []*rotation.Plan {
	slots := cfg.Slots()
	out := make([]*rotation.Plan, len(slots))
	for i := range slots {
		out[i] = planOf(&slots[i])
	}
	return out
}

func planOf(s *config.Slot) *rotation.Plan {
	p := &rotation.Plan{
		Key: s.Key, Relay: s.Relay, Account: s.Account, Labels: s.Labels,
		Expr: s.Expr, Timezone: s.Timezone, Jitter: s.Jitter,
		Strategy: s.Strategy, Initial: rotation.Initial(s.Initial), CatchUp: s.CatchUp,
		Grace: s.Grace, Lifetime: s.Lifetime, Matching: s.Retire == "matching", Verify: s.Verify,
		Targets: make([]rotation.Target, len(s.Targets)), ProbeInterval: make([]time.Duration, len(s.Targets)),
	}
	if s.Schedule != nil {
		p.Schedule = s.Schedule
	}
	if s.Jitter > 0 {
		key, limit := s.Key.String(), s.Jitter
		p.Delay = func(instant time.Time) time.Duration { return scheduler.Jitter(key, instant, limit) }
	}
	for i, t := range s.Targets {
		p.Targets[i] = rotation.Target{Sink: t.Sink, Target: t.Target, Location: t.Location, Required: t.Required, Adopt: t.Adopt}
		p.ProbeInterval[i] = t.ProbeInterval
	}
	return p
}
