package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/sinks/all"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestSlotsAlikeShareAPolicy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := `
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
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	got := plansOf(cfg)
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

func TestPlannedRunsAreInOrderAndBounded(t *testing.T) {
	now := time.Now()
	var runs []slot.PlannedRun
	for n := range maxPlanned + 10 {
		runs = append(runs, slot.PlannedRun{At: now.Add(-time.Duration(n) * time.Second)})
	}
	runs = soonestFirst(runs)
	if len(runs) != maxPlanned || !runs[0].At.Before(runs[1].At) || !runs[0].At.Equal(now.Add(-time.Duration(maxPlanned+9)*time.Second)) {
		t.Errorf("%d runs, the first at %s", len(runs), runs[0].At)
	}
}
