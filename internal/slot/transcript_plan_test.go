package slot

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/scheduler"
)

// planForms are the lines of a plan. It begins as overlap, manual, read back, at first by its schedule, catching
// up, with a grace of an hour and tokens of a year.
func (s *transcript) planForms() []form {
	return []form{
		{"strategy NAME", func(c *clause) { s.v.Plan.Strategy = oneOf(s, c.words[0], moq.Overlap, moq.InPlace) }},
		{"schedule manual", func(*clause) { s.v.Plan.Schedule, s.v.Plan.Expr = nil, "manual" }},
		{"schedule TEXT", func(c *clause) { s.schedule(c.words[0]) }},
		{"delay DURATION", func(c *clause) { s.delay(c.duration(0)) }},
		{"initial NAME", func(c *clause) { s.v.Plan.Initial = oneOf(s, c.words[0], InitialNow, InitialSchedule) }},
		{"missed instants are skipped", func(*clause) { s.v.Plan.CatchUp = false }},
		{"grace DURATION", func(c *clause) { s.v.Plan.Grace = c.duration(0) }},
		{"least life DURATION", func(c *clause) { s.v.Plan.LeastLife = c.duration(0) }},
		{"settle DURATION", func(c *clause) { s.v.Plan.Settle = c.duration(0) }},
		{"lifetime DURATION", func(c *clause) { s.v.Plan.Lifetime = c.duration(0) }},
		{"probe interval DURATION", func(c *clause) { s.v.Plan.ProbeInterval = c.duration(0) }},
		{"nothing is read back", func(*clause) { s.v.Plan.Verify = false }},
		{"targets are read back", func(*clause) { s.v.Plan.Verify = true }},
		{"label NAME NAME", func(c *clause) { s.v.Plan.Labels = map[string]string{c.words[0]: c.words[1]} }},
		{"relay NAME", func(c *clause) { s.v.Plan.Relay = c.words[0] }},
		{"relay id NAME", func(c *clause) { s.v.Plan.Key.RelayID = c.words[0] }},
		{"operations TEXT", func(c *clause) { s.v.Plan.Operations = c.list(0) }},
		{"retire matching", func(*clause) { s.v.Plan.Matching = true }},
		{"targets TEXT", func(c *clause) { s.v.Plan.Targets = s.targets(c.list(0)) }},
	}
}

// plan begins a plan, or a change of it: who has the former one does not see it.
func (s *transcript) plan(*clause) {
	p := Plan{
		Policy: &Policy{
			Account: "main", Strategy: moq.Overlap, Timezone: "UTC", Initial: InitialSchedule, CatchUp: true, Verify: true,
			Grace: time.Hour, Lifetime: longestLife, ProbeInterval: 100 * longestLife,
		},
		Key: s.v.Record.Key, Relay: "live", Operations: s.v.Record.Key.Type.Operations(),
	}
	s.former = s.v.Plan
	if s.v.Plan != nil {
		p = *s.v.Plan
		policy := *p.Policy
		p.Policy = &policy
	}
	s.v.Plan, s.section = &p, s.planForms
}

func (s *transcript) schedule(text string) {
	expr, zone, _ := strings.Cut(text, " in ")
	loc, err := time.LoadLocation(zone)
	if err != nil {
		s.fatalf("%v", err)
	}
	parsed, err := scheduler.Parse(expr, loc)
	if err != nil {
		s.fatalf("%v", err)
	}
	s.v.Plan.Schedule, s.v.Plan.Expr, s.v.Plan.Timezone = parsed, expr, cmp.Or(zone, "UTC")
}

// changeSchedule is a reload, which the process lives through.
func (s *transcript) changeSchedule(text string) {
	s.plan(nil)
	s.schedule(text)
	next := s.v.Plan
	s.v.Plan = s.former
	s.v.LeaveSchedule(next)
	s.v.Plan = next
}

// delay is a jitter that is the same for every instant.
func (s *transcript) delay(d time.Duration) {
	s.v.Plan.Jitter, s.v.Plan.Delay = d, func(time.Time) time.Duration { return d }
}

// targets reads targets such as "vault (required)", "disk (optional)" and "attic at disk (optional)": a sink that
// leads where disk led. A sink of the plan is one of the configuration.
func (s *transcript) targets(texts []string) (out []Target) {
	for _, text := range texts {
		name, kind, _ := strings.Cut(text, " (")
		sink, location, renamed := strings.Cut(name, " at ")
		if !renamed {
			location = sink
		}
		kind = oneOf(s, strings.TrimSuffix(kind, ")"), "required", "optional", "required to adopt")
		out = append(out, Target{
			Sink: sink, Target: "moq/live", Location: location, Required: kind != "optional", Adopt: kind == "required to adopt",
		})
		s.v.Sinks[sink] = true
	}
	return out
}

// known are the targets that are delivered to, by the latest plan or the latest rotation.
func (s *transcript) known() (out []Target) {
	if s.v.Plan != nil {
		out = slices.Clone(s.v.Plan.Targets)
	}
	if rot := s.v.Record.PendingOrLatest(); rot != nil {
		out = append(out, rot.Targets...)
	}
	return out
}

// target finds a target by its sink's name.
func (s *transcript) target(sink string) Target {
	for _, t := range s.known() {
		if t.Sink == sink {
			return t
		}
	}
	s.fatalf("no target is called %q", sink)
	return Target{}
}
