package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

const twoKinds = `
accounts: {main: {account_id: 023e105f4ecef8ad9ca31a8372d0c353, api_token: {env: TOKEN}}}
sinks:
  slow: {type: file, path: "/slow/{{.Relay}}/{{.Type}}", probe_interval: 30m}
  quick: {type: file, path: "/quick/{{.Relay}}/{{.Type}}", probe_interval: 2m}
defaults: {sinks: [slow, quick]}
relays:
  a:
    id: a1b2c3d4e5f67890a1b2c3d4e5f67890
    tokens: {publish_subscribe: {schedule: "@daily"}, subscribe: {schedule: "0 4 * * *"}}
  b:
    id: b1b2c3d4e5f67890a1b2c3d4e5f67890
    tokens: {subscribe: {schedule: "@daily", grace: 1h, sinks: [slow]}}
`

func TestSlotsAlikeShareAPolicy(t *testing.T) {
	got := parse(t, twoKinds).Plans()
	if got[0].Policy != got[1].Policy || got[1].Policy == got[2].Policy {
		t.Errorf("want one policy for the slots of a, and another for b's: %+v, %+v, %+v", got[0].Policy, got[1].Policy, got[2].Policy)
	}
	if got[0].ProbeInterval != 2*time.Minute || got[2].ProbeInterval != 30*time.Minute {
		t.Errorf("targets are probed every %v and %v, want the shortest of their sinks", got[0].ProbeInterval, got[2].ProbeInterval)
	}
	if got[2].Grace != time.Hour || got[2].Relay != "b" || len(got[2].Targets) != 1 {
		t.Errorf("the plan of b is %+v", got[2])
	}
}

func TestPlansAreFoundByTheirRelay(t *testing.T) {
	cfg := parse(t, twoKinds)
	got, all := maps.Collect(cfg.PlansByRelay()), cfg.Plans()
	if len(got) != 2 || !slices.Equal(got["a"], all[:2]) || !slices.Equal(got["b"], all[2:]) {
		t.Errorf("%d relays, with the plans %v and %v", len(got), got["a"], got["b"])
	}
	for range cfg.PlansByRelay() {
		break // whoever found what was looked for looks no further
	}
}

func TestAReloadThatChangesNothingMakesTheSamePlans(t *testing.T) {
	first, next := parse(t, twoKinds), parse(t, twoKinds)
	changed := parse(t, strings.Replace(twoKinds, "grace: 1h", "grace: 2h", 1))
	for i, p := range first.Plans() {
		if !p.Same(next.Plans()[i]) {
			t.Errorf("%s is not the same in a configuration that is", p.Slot())
		}
		if p.Same(changed.Plans()[i]) != (p.Relay == "a") {
			t.Errorf("%s: what changed is not told from what did not", p.Slot())
		}
	}
}

func TestADelayIsLessThanTheJitterAndAlwaysTheSame(t *testing.T) {
	plan, at := planOf(t, "", "", "{jitter: 10m}"), time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	if d := plan.Delay(at); d <= 0 || d >= 10*time.Minute || d != planOf(t, "", "", "{jitter: 10m}").Delay(at) {
		t.Errorf("the delay of %s is %s", plan.Slot(), d)
	}
	if planOf(t, "", "", "{}").Delay != nil {
		t.Error("a slot without jitter has a delay")
	}
}
