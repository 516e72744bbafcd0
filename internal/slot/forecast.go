package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Run is one rotation that a schedule, or `initial: now`, will begin.
type Run struct {
	At       time.Time     `json:"at"` // jitter included
	Slot     string        `json:"slot"`
	Relay    string        `json:"relay"`
	Type     moq.TokenType `json:"type"`
	Account  string        `json:"account"`
	Strategy moq.Strategy  `json:"strategy"`
}

// maxRuns bounds the forecast of one slot.
const maxRuns = 1000

// FirstForecast returns the runs of a slot that is seen for the first time now.
func FirstForecast(p *Plan, now, until time.Time) []Run {
	seen := TimestampOf(now.Round(0).Truncate(time.Second))
	v := &View{Record: &Record{Key: p.Key, FirstSeen: seen}, Plan: p, Seen: &Observation{}, Times: Times{Now: now.Round(0)}, Since: now}
	return v.Forecast(until)
}

// Forecast returns the slot's runs that begin by until, in their order.
func (v *View) Forecast(until time.Time) (out []Run) {
	for d := v.nextRun(); d.Cause != "" && !d.At.After(until) && len(out) < maxRuns; d = v.runAfter(d) {
		out = append(out, Run{
			At: UTC(laterOf(d.At, v.Now)), Slot: v.Plan.Slot(), Relay: v.Plan.Relay, Type: v.Plan.Key.Type,
			Account: v.Plan.Account, Strategy: v.Plan.Strategy,
		})
	}
	return out
}

// nextRun is the first run that is yet to begin.
func (v *View) nextRun() Due {
	if first := v.dueInitially(); first.Cause != "" {
		return first
	}
	return v.dueOnSchedule()
}

// runAfter is the run that the schedule begins after another one, which has met all that was missed before it.
func (v *View) runAfter(d Due) Due {
	if v.Plan.Schedule == nil {
		return Due{}
	}
	next := v.Plan.Schedule.Next(laterOf(d.MeetsThrough, v.scheduleBase()))
	if next.IsZero() {
		return Due{}
	}
	return Due{CauseSchedule, v.withJitter(next), next}
}
