package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/rotation"
)

func TestWhenARequestIsMet(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	asked := rotation.Status{Requested: at}
	old := []rotation.TokenStatus{{TokenID: "old", Created: at.Add(-time.Hour)}}
	for name, c := range map[string]struct {
		s           rotation.Status
		compromised bool
		want        bool
	}{
		"still asked for":                {rotation.Status{Requested: at, Rotated: at.Add(-time.Hour)}, false, false},
		"rotated before only":            {rotation.Status{Rotated: at.Add(-time.Hour)}, false, false},
		"rotated after":                  {rotation.Status{Rotated: at.Add(time.Second)}, false, true},
		"asked for again since":          {rotation.Status{Rotated: at.Add(time.Second), Requested: at.Add(2 * time.Second)}, false, true},
		"rotated, the old one in grace":  {rotation.Status{Rotated: at.Add(time.Second), Old: old}, false, true},
		"compromised, the old one there": {rotation.Status{Rotated: at.Add(time.Second), Old: old}, true, false},
		"compromised, the old one gone":  {rotation.Status{Rotated: at.Add(time.Second)}, true, true},
	} {
		if got := met(c.s, asked, rotateFlags{compromised: c.compromised}); got != c.want {
			t.Errorf("%s: met %v, want %v", name, got, c.want)
		}
	}
}

func TestGivingUpCountsTheAttemptsSinceTheRequest(t *testing.T) {
	asked := rotation.Status{Slot: "live/subscribe", Failures: 5}
	failed := func(n int) rotation.Status {
		return rotation.Status{Slot: "live/subscribe", Failures: n, Failure: &rotation.Failure{Count: n, Step: rotation.StepMint, Message: "no", Next: time.Now().Add(90 * time.Minute)}}
	}
	if err := givenUp(failed(7), asked); err != nil {
		t.Errorf("after two failures: %v", err)
	}
	err := givenUp(failed(8), asked)
	if err == nil || !strings.Contains(err.Error(), "3 attempts failed, the last at step mint: no; rotatord goes on, next attempt in 1h") {
		t.Errorf("after three failures: %v", err)
	}
}

func TestSoonestPutsRunsInOrder(t *testing.T) {
	now := time.Now()
	var runs []rotation.PlannedRun
	for n := range maxPlanned + 10 {
		runs = append(runs, rotation.PlannedRun{At: now.Add(-time.Duration(n) * time.Second)})
	}
	runs = soonest(runs)
	if len(runs) != maxPlanned || !runs[0].At.Before(runs[1].At) || !runs[0].At.Equal(now.Add(-time.Duration(maxPlanned+9)*time.Second)) {
		t.Errorf("%d runs, the first at %s", len(runs), runs[0].At)
	}
}
