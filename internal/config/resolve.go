package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// resolver is the third step: it makes the plans of what was decoded, each with the settings nearest to it, its
// timing and its targets, and says what is wrong with these together.
type resolver struct {
	*pathReport
	cfg    *Config
	usable map[string]sinks.Spec // the sinks that nothing is wrong with

	timings       timings
	formerTimings timings // of the configuration before
	gapMeter      *scheduler.GapMeter
	zones         map[string]*time.Location
	templates     sinks.Templates
	labels        map[string]map[string]string
	rights        map[string][]string // by the operations, one after the other
	policies      map[slot.Policy]*slot.Policy
	locations     map[string]*slot.Plan // by the location of a target
	tried         map[contentKind]bool
	folders       map[SharedFolder]bool

	usesDefaultSinks bool // some slot does
}

func newResolver(cfg *Config, f *pathReport, usable map[string]sinks.Spec, known []timing) *resolver {
	cfg.timings = make([]timing, 0, len(known))
	return &resolver{
		pathReport: f, cfg: cfg, usable: usable,
		timings: make(timings, len(known)), formerTimings: byWords(known), gapMeter: scheduler.NewGapMeter(gapsFrom),
		zones:  map[string]*time.Location{},
		labels: map[string]map[string]string{}, rights: map[string][]string{}, policies: map[slot.Policy]*slot.Policy{},
		locations: make(map[string]*slot.Plan, 2*len(cfg.Relays)),
		tried:     map[contentKind]bool{},
		folders:   map[SharedFolder]bool{},
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

// sharePolicy returns the first policy that was equal to this one, which nothing may change any more: a fleet has
// few kinds of slots.
func (r *resolver) sharePolicy(policy *slot.Policy) *slot.Policy {
	if known := r.policies[*policy]; known != nil {
		return known
	}
	r.policies[*policy] = policy
	return policy
}
