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
	policies := map[rotation.Policy]*rotation.Policy{}
	for i := range slots {
		policy := policyOf(&slots[i])
		if policies[policy] == nil {
			shared := policy
			policies[policy] = &shared
		}
		out[i] = planOf(&slots[i], policies[policy])
	}
	return out
}

func policyOf(s *config.Slot) rotation.Policy {
	p := rotation.Policy{
		Account: s.Account, Strategy: s.Strategy, Timezone: s.Timezone, Jitter: s.Jitter,
		Initial: rotation.Initial(s.Initial), CatchUp: s.CatchUp, Matching: s.Retire == "matching", Verify: s.Verify,
		Grace: s.Grace, Lifetime: s.Lifetime,
	}
	for i, t := range s.Targets {
		if i == 0 || t.ProbeInterval < p.ProbeInterval {
			p.ProbeInterval = t.ProbeInterval
		}
	}
	return p
}

func planOf(s *config.Slot, policy *rotation.Policy) *rotation.Plan {
	p := &rotation.Plan{
		Policy: policy, Key: s.Key, Relay: s.Relay, Labels: s.Labels, Expr: s.Expr,
		Targets: make([]rotation.Target, len(s.Targets)),
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
	}
	return p
}
