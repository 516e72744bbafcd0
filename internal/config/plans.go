package config

import (
	"cmp"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// makePlans makes the plans, in order.
func (r *resolver) makePlans() {
	names := sortedNames(r.cfg.Relays)
	r.cfg.plans = make([]*slot.Plan, 0, 2*len(names))
	all := topLevel("relays")
	for _, name := range names {
		relay := r.cfg.Relays[name]
		if relay == nil {
			continue
		}
		r.addPlans(name, relay, all.child(name))
	}
	r.checkUnusedSchedule(&r.cfg.Defaults.Settings, topLevel("defaults"))
	if !r.usesDefaultSinks {
		r.checkUnusedSinks(&r.cfg.Defaults.Settings, topLevel("defaults"))
	}
	if len(r.cfg.plans) > 0 {
		r.warnUnused()
	}
}

func (r *resolver) addPlans(name string, relay *Relay, p *path) {
	relay.Labels = r.shareLabels(relay.Labels)
	first := len(r.cfg.plans)
	for _, typ := range sortedNames(relay.Tokens) {
		if t := relay.Tokens[typ]; t != nil {
			r.addPlan(name, relay, typ, t, p)
		}
	}
	r.checkOverridden(relay, p)
	r.checkRoom(r.cfg.plans[first:], p)
	r.checkMatching(r.cfg.plans[first:], p)
}

func (r *resolver) addPlan(name string, relay *Relay, typ moq.TokenType, t *Token, p *path) {
	scope := &slotScope{
		layers: [3]*Settings{&r.cfg.Defaults.Settings, &relay.Settings, &t.Settings},
		paths:  [3]*path{topLevel("defaults"), p, p.child("tokens").child(string(typ))},
	}
	account := r.cfg.accountOf(relay)
	plan := &slot.Plan{
		Policy: policyOf(scope),
		Key:    moq.Key{AccountID: r.cfg.accountID(account), RelayID: relay.ID, Type: typ},
		Relay:  name, Labels: relay.Labels, Operations: r.operationsOf(typ, t),
	}
	plan.Account = account
	if plan.Strategy == moq.InPlace {
		r.refuseOverlapKeys(t, scope)
		r.refuseInPlace(typ, scope)
	} else {
		plan.Matching = cmp.Or(t.Retire, relay.Retire) == retireMatching
	}
	r.resolveTiming(plan, scope)
	r.resolveTargets(plan, scope)
	plan.Policy = r.sharePolicy(plan.Policy)
	r.cfg.plans = append(r.cfg.plans, plan)
}

// policyOf returns a policy with the settings that follow from nothing but the nearest that is given.
func policyOf(scope *slotScope) *slot.Policy {
	p := &slot.Policy{}
	p.Strategy, _ = nearestOf(scope, func(s *Settings) *moq.Strategy { return ifGiven(&s.Strategy) }, moq.Overlap)
	p.CatchUp, _ = nearestOf(scope, func(s *Settings) *bool { return s.CatchUp }, true)
	p.Verify, _ = nearestOf(scope, func(s *Settings) *bool { return s.Verify }, true)
	p.Initial, _ = nearestOf(scope, func(s *Settings) *slot.Initial { return ifGiven(&s.Initial) },
		defaultInitial(p.Strategy))
	return p
}

func defaultInitial(s moq.Strategy) slot.Initial {
	if s == moq.InPlace {
		return slot.InitialSchedule
	}
	return slot.InitialNow
}

// refuseOverlapKeys refuses, on the token itself, what in_place has no use for.
func (r *resolver) refuseOverlapKeys(t *Token, scope *slotScope) {
	p := scope.pathOf(onToken)
	for key, given := range map[string]bool{
		"grace": t.Grace != nil, "settle": t.Settle != nil, "lifetime": t.Lifetime != nil, "retire": t.Retire != "",
	} {
		if given {
			r.diagnose(p.child(key), "has no meaning under strategy in_place: the old token dies at once",
				"remove it, or use strategy: overlap")
		}
	}
}
