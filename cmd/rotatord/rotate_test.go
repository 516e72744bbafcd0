package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/slot"
)

func TestWhenARequestIsMet(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	asked := slot.Status{Requested: at}
	old := []slot.TokenStatus{{TokenID: "old", Created: at.Add(-time.Hour)}}
	for name, c := range map[string]struct {
		s           slot.Status
		compromised bool
		want        bool
	}{
		"still asked for":                {slot.Status{Requested: at, Rotated: at.Add(-time.Hour)}, false, false},
		"rotated before only":            {slot.Status{Rotated: at.Add(-time.Hour)}, false, false},
		"rotated after":                  {slot.Status{Rotated: at.Add(time.Second)}, false, true},
		"asked for again since":          {slot.Status{Rotated: at.Add(time.Second), Requested: at.Add(2 * time.Second)}, false, true},
		"rotated, the old one in grace":  {slot.Status{Rotated: at.Add(time.Second), Old: old}, false, true},
		"compromised, the old one there": {slot.Status{Rotated: at.Add(time.Second), Old: old}, true, false},
		"compromised, the old one gone":  {slot.Status{Rotated: at.Add(time.Second)}, true, true},
	} {
		if got := met(c.s, asked, rotateFlags{compromised: c.compromised}); got != c.want {
			t.Errorf("%s: met %v, want %v", name, got, c.want)
		}
	}
}

func TestGivingUpCountsTheAttemptsSinceTheRequest(t *testing.T) {
	now := time.Now()
	asked := slot.Status{Slot: "live/subscribe", Failures: 5}
	for _, c := range []struct {
		failures int
		next     time.Duration
		want     string // empty: it is waited for
	}{
		{5, 90 * time.Minute, ""}, // they failed before
		{7, time.Second, ""},
		{6, 4 * time.Minute, ""},
		{6, 90 * time.Minute, "not verified in time: 1 attempt failed, the last at step mint: no; rotatord goes on, next attempt in 1h"},
		{8, time.Second, "3 attempts failed, the last at step mint: no; rotatord goes on, next attempt in"},
	} {
		s := slot.Status{Slot: "live/subscribe", Failures: c.failures, Failure: &slot.Failure{
			Count: c.failures, Stage: slot.StageMint, Message: "no", Next: now.Add(c.next),
		}}
		err := givenUp(s, asked, now, now.Add(5*time.Minute))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("after %d failures, the next attempt in %s: %v, want %q", c.failures, c.next, err, c.want)
		}
	}
}
