package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// PlannedRun is one rotation that a schedule will start.
type PlannedRun struct {
	At       time.Time     `json:"at"` // jitter included
	Slot     string        `json:"slot"`
	Relay    string        `json:"relay"`
	Type     moq.TokenType `json:"type"`
	Account  string        `json:"account"`
	Strategy moq.Strategy  `json:"strategy"`
}

// maxRuns bounds what is planned of one slot.
const maxRuns = 1000

// Forecast returns the runs of a slot that is seen for the first time now.
func Forecast(p *Plan, now, until time.Time) []PlannedRun {
	seen := TimestampOf(now.Round(0).Truncate(time.Second))
	v := &View{Record: &Record{Key: p.Key, FirstSeen: seen}, Plan: p, Seen: &Observation{}, Times: Times{Now: now.Round(0)}, Since: now}
	return v.Upcoming(until)
}

// Upcoming returns the runs that the slot's schedule will start before until, in their order.
func (v *View) Upcoming(until time.Time) []PlannedRun {
	var out []PlannedRun
	add := func(at time.Time) {
		out = append(out, PlannedRun{
			At: UTC(laterOf(at, v.Now)), Slot: v.Plan.Slot(), Relay: v.Plan.Relay, Type: v.Plan.Key.Type,
			Account: v.Plan.Account, Strategy: v.Plan.Strategy,
		})
	}
	if d := v.dueInitially(); d.Cause != "" {
		add(d.At)
	}
	if v.Plan.Schedule == nil {
		return out
	}
	for t := v.Plan.Schedule.Next(v.scheduleBase()); !t.IsZero() && len(out) < maxRuns; t = v.Plan.Schedule.Next(t) {
		t = laterOf(t, v.Plan.Schedule.Latest(t, v.Now)) // missed instants run once
		if v.withJitter(t).After(until) {
			break
		}
		add(v.withJitter(t))
	}
	return out
}
