package config

import (
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/sinks"
)

// checkOverridden looks at what a relay says and each of its tokens overrides: what is wrong with it would not show
// where slots are resolved.
func (r *resolver) checkOverridden(relay *Relay, p *path) {
	schedules, lists := true, true
	for _, t := range relay.Tokens {
		schedules = schedules && (t == nil || t.Schedule != nil)
		lists = lists && (t == nil || t.Sinks != nil)
	}
	if schedules {
		r.checkUnusedSchedule(&relay.Settings, p)
	}
	if lists {
		r.checkUnusedSinks(&relay.Settings, p)
	}
}

// checkUnusedSchedule parses a schedule that perhaps no slot goes by.
func (r *resolver) checkUnusedSchedule(s *Settings, p *path) {
	if s.Schedule == nil {
		return
	}
	expr := strings.TrimSpace(*s.Schedule)
	if _, err := scheduler.Parse(expr, time.UTC); err != nil && expr != manual {
		r.refuseSchedule(p, expr, err)
	}
}

// checkUnusedSinks tries the paths of targets that no slot has with the names that a sink's own path is tried with.
func (r *resolver) checkUnusedSinks(s *Settings, p *path) {
	for i := range s.Sinks {
		ref := &s.Sinks[i]
		spec := r.usable[ref.Sink]
		if spec == nil || ref.Path == "" {
			continue
		}
		for _, d := range sinks.TargetDiagnostics("path", ref.Path, spec.Locate) {
			r.diagnose(p.child("sinks").item(i).child(d.Key), d.Text, d.Hint)
		}
	}
}

// warnUnused warns of sinks and accounts that no slot has: nothing is delivered there, and nobody looks whether it
// could be.
func (r *resolver) warnUnused() {
	delivered, accounts := map[string]bool{}, map[string]bool{}
	for _, p := range r.cfg.plans {
		accounts[p.Account] = true
		for _, t := range p.Targets {
			delivered[t.Sink] = true
		}
	}
	for _, name := range sortedNames(r.cfg.Sinks) {
		if !delivered[name] {
			r.warn(topLevel("sinks").child(name), "no slot delivers to this sink",
				"name it in the list `sinks` of a relay, of a token or in defaults, or take it out")
		}
	}
	for _, name := range sortedNames(r.cfg.Accounts) {
		if !accounts[name] {
			r.warn(topLevel("accounts").child(name), "no relay is of this account", "take it out if it is not needed")
		}
	}
}
