package daemon

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/slot"
)

// maxPlanned bounds what is listed at once.
const maxPlanned = 10_000

// Forecast lists the runs from now to until, soonest first, bounded in number, from the configuration alone: as
// if every slot were seen for the first time now.
func Forecast(cfg *config.Config, now, until time.Time) []slot.PlannedRun {
	runs := []slot.PlannedRun{}
	for _, p := range plansOf(cfg) {
		runs = append(runs, slot.Forecast(p, now, until)...)
	}
	return soonestFirst(runs)
}

func soonestFirst(runs []slot.PlannedRun) []slot.PlannedRun {
	slices.SortFunc(runs, func(a, b slot.PlannedRun) int { return a.At.Compare(b.At) })
	return runs[:min(len(runs), maxPlanned)]
}

// plansOf turns the configuration's slots into what the engine works from. Slots alike share a policy.
func plansOf(cfg *config.Config) []*slot.Plan {
	slots := cfg.Slots()
	out := make([]*slot.Plan, len(slots))
	policies := map[slot.Policy]*slot.Policy{}
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

func policyOf(s *config.Slot) slot.Policy {
	p := slot.Policy{
		Account: s.Account, Strategy: s.Strategy, Timezone: s.Timezone, Jitter: s.Jitter,
		Initial: slot.Initial(s.Initial), CatchUp: s.CatchUp, Matching: s.Retire == "matching", Verify: s.Verify,
		Grace: s.Grace, Lifetime: s.Lifetime,
	}
	for i, t := range s.Targets {
		if i == 0 || t.ProbeInterval < p.ProbeInterval {
			p.ProbeInterval = t.ProbeInterval
		}
	}
	return p
}

func planOf(s *config.Slot, policy *slot.Policy) *slot.Plan {
	p := &slot.Plan{
		Policy: policy, Key: s.Key, Relay: s.Relay, Labels: s.Labels, Expr: s.Expr,
		Targets: make([]slot.Target, len(s.Targets)),
	}
	if s.Schedule != nil {
		p.Schedule = s.Schedule
	}
	if s.Jitter > 0 {
		key, limit := s.Key.String(), s.Jitter
		p.Delay = func(instant time.Time) time.Duration { return scheduler.Jitter(key, instant, limit) }
	}
	for i, t := range s.Targets {
		p.Targets[i] = slot.Target{
			Sink: t.Sink, Target: t.Target, Location: t.Location, Required: t.Required, Adopt: t.Adopt,
		}
	}
	return p
}
