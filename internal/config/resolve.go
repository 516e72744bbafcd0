package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/sinks"
)

// resolver is the third step: it makes the slots of what was decoded, each with the settings nearest to it, its
// timing and its targets, and says what is wrong with these together.
type resolver struct {
	*findings
	cfg    *Config
	usable map[string]sinks.Spec // the sinks that nothing is wrong with

	timings   timings
	known     timings // of the configuration before
	gauge     *scheduler.Gauge
	zones     map[string]*time.Location
	templates sinks.Templates
	labels    map[string]map[string]string
	locations map[string]int32 // location of a target → index of its slot
	tried     map[trial]bool
}

func newResolver(cfg *Config, f *findings, usable map[string]sinks.Spec, known []timing) *resolver {
	cfg.timings = make([]timing, 0, len(known))
	return &resolver{
		findings: f, cfg: cfg, usable: usable,
		timings: make(timings, len(known)), known: byWords(known), gauge: scheduler.NewGauge(gapsFrom),
		zones:  map[string]*time.Location{},
		labels: map[string]map[string]string{}, locations: make(map[string]int32, 2*len(cfg.Relays)),
		tried: map[trial]bool{},
	}
}

// resolve makes the slots, in order.
func (r *resolver) resolve() {
	names := sortedNames(r.cfg.Relays)
	r.cfg.slots = make([]Slot, 0, 2*len(names))
	all := topLevel("relays")
	for _, name := range names {
		relay := r.cfg.Relays[name]
		if relay == nil {
			continue
		}
		relay.Labels = r.shareLabels(relay.Labels)
		first := len(r.cfg.slots)
		for _, typ := range moq.Types() {
			if t := relay.Tokens.of(typ); t != nil {
				r.addSlot(name, relay, typ, t, all.child(name))
			}
		}
		r.checkPlaces(r.cfg.slots[first:], all.child(name))
	}
}

// shareLabels returns the first labels that were equal to these: a fleet has few kinds
// of labels, and a map takes as much memory as a slot's times.
func (r *resolver) shareLabels(labels map[string]string) map[string]string {
	var key strings.Builder
	for _, name := range sortedNames(labels) {
		fmt.Fprintf(&key, "%q:%q,", name, labels[name])
	}
	if known, ok := r.labels[key.String()]; ok {
		return known
	}
	r.labels[key.String()] = labels
	return labels
}

func (r *resolver) addSlot(name string, relay *Relay, typ moq.TokenType, t *Token, p *path) {
	scope := &slotScope{
		layers: [3]*Settings{&r.cfg.Defaults.Settings, &relay.Settings, &t.Settings},
		places: [3]*path{topLevel("defaults"), p, p.child("tokens").child(string(typ))},
	}
	account := r.cfg.accountOf(relay)
	slot := Slot{
		Key:   moq.Key{AccountID: r.cfg.accountID(account), RelayID: relay.ID, Type: typ},
		Relay: name, Account: account, Labels: relay.Labels,
		Retire: cmp.Or(t.Retire, relay.Retire, retireOwn),
	}
	slot.Strategy, _ = nearestOf(scope, func(s *Settings) *moq.Strategy { return ifGiven(&s.Strategy) }, moq.Overlap)
	slot.CatchUp, _ = nearestOf(scope, func(s *Settings) *bool { return s.CatchUp }, true)
	slot.Verify, _ = nearestOf(scope, func(s *Settings) *bool { return s.Verify }, true)
	slot.Initial, _ = nearestOf(scope, func(s *Settings) *string { return ifGiven(&s.Initial) },
		defaultInitial(slot.Strategy))
	if slot.Strategy == moq.InPlace {
		r.refuseOverlapKeys(t, scope)
		slot.Retire = retireOwn
	}
	r.resolveTiming(&slot, scope)
	r.resolveTargets(&slot, scope)
	r.cfg.slots = append(r.cfg.slots, slot)
}

func defaultInitial(s moq.Strategy) string {
	if s == moq.InPlace {
		return initialSchedule
	}
	return initialNow
}

// refuseOverlapKeys refuses, on the token itself, what in_place has no use for.
func (r *resolver) refuseOverlapKeys(t *Token, scope *slotScope) {
	p := scope.place(onToken)
	for key, given := range map[string]bool{"grace": t.Grace != nil, "lifetime": t.Lifetime != nil, "retire": t.Retire != ""} {
		if given {
			r.problem(p.child(key), "has no meaning under strategy in_place: the old token dies at once",
				"remove it, or use strategy: overlap")
		}
	}
}
