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
	// MoreFollow says that later runs are left out: the slot's own, or, of the last in a list of all slots, any.
	MoreFollow bool `json:"more_follow,omitempty"`
}

// maxRuns bounds the forecast of one slot.
const maxRuns = 1000

// FirstForecast returns the runs of a slot that is seen for the first time now.
func FirstForecast(p *Plan, now, until time.Time) []Run {
	now = now.Round(0)
	v := &View{Plan: p, Seen: &Observation{}, Times: Times{Now: now}, ActiveSince: now}
	r := NewRecord(p, &v.Times)
	v.Record = &r
	return v.Forecast(until)
}

// Forecast returns the slot's runs that are yet to begin, and do by until, in their order, a thousand at most: what is
// under way is none.
func (v *View) Forecast(until time.Time) (out []Run) {
	for d := v.firstForecastRun(); d.Cause != "" && !d.At.After(until); d = v.runAfter(d) {
		if len(out) == maxRuns {
			out[maxRuns-1].MoreFollow = true
			break
		}
		out = append(out, Run{
			At: UTC(d.At), Slot: v.Plan.Slot(), Relay: v.Plan.Relay, Type: v.Plan.Key.Type,
			Account: v.Plan.Account, Strategy: v.Plan.Strategy,
		})
	}
	return out
}

// firstUnmetRun is the oldest run that is unmet: as a rule one that is yet to come, else one that is late, under way or
// waiting for its next attempt. Status and metrics give it as next; what is overdue is judged by it or by the token's end
// (overdueFrom). `plan` shows firstForecastRun, which leaves out what is under way.
func (v *View) firstUnmetRun() Due {
	first, scheduled := v.dueInitially(), v.dueOnSchedule()
	if first.Cause != "" && (scheduled.Cause == "" || !scheduled.At.Before(first.At)) {
		return first
	}
	return scheduled
}

// firstForecastRun is the first run that is yet to begin, and when it does: one that is late begins now, or when what it
// waits for is over, but for a turn in the budget, which the core does not know.
func (v *View) firstForecastRun() Due {
	if v.Record.PendingMint != nil || v.Record.Unfinished() {
		return v.asIf((*Record).meetUnderWay).firstUnmetRun().startedFrom(v, v.Now)
	}
	until, _ := v.Record.retryAt(v.Now)
	_, free := v.waitsFor()
	return v.firstUnmetRun().startedFrom(v, laterOf(v.Now, laterOf(until, free)))
}

// meetUnderWay makes as if what is under way had met its instants.
func (r *Record) meetUnderWay() {
	for _, rot := range []*Rotation{r.Rotation, r.PendingMint} {
		if rot != nil {
			r.Rotation, r.MetThrough = rot, max(r.MetThrough, rot.MeetsThrough)
		}
	}
}

// startedFrom is a run that begins at a time at the earliest: then it meets what has come due by then.
func (d Due) startedFrom(v *View, earliest time.Time) Due {
	if d.Cause == "" || !d.At.Before(earliest) {
		return d
	}
	d.At = earliest
	if v.Plan.Schedule != nil {
		d.MeetsThrough = laterOf(d.MeetsThrough, v.latestDue(laterOf(d.MeetsThrough, v.scheduleBase()), v.byScheduleClock(earliest)))
	}
	return d
}

// runAfter is the run that the schedule begins after another one, which meets all that is due when it begins.
func (v *View) runAfter(d Due) Due {
	if v.Plan.Schedule == nil {
		return Due{}
	}
	met := laterOf(d.MeetsThrough, v.scheduleBase())
	next := v.Plan.Schedule.Next(laterOf(met, v.latestDue(met, v.byScheduleClock(d.At))))
	if next.IsZero() {
		return Due{}
	}
	return Due{CauseSchedule, v.instantByOurClock(v.withJitter(next)), next}
}
