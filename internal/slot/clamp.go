package slot

import (
	"time"
)

// ClampToPresent takes back to now what a wall clock that was wrong put further ahead than
// its rule can reach: with the clock set right, the slot would wait for it. (Of a failure,
// waits does so.) It is for a record that nobody else has.
func (r *Record) ClampToPresent(p *Plan, now time.Time, clock Reading) {
	present := TimestampOf(now)
	last := present // the latest instant that can have been met: a clock may have been a little fast
	if p != nil && p.Schedule != nil {
		last = max(last, TimestampOf(p.Schedule.Next(now)))
	}
	r.FirstSeen, r.ScheduledThrough = min(r.FirstSeen, present), clampInstant(r.ScheduledThrough, last, present)
	for _, rot := range []*Rotation{r.PendingMint, r.Rotation} {
		if rot != nil {
			rot.Started, rot.LostAt = min(rot.Started, present), min(rot.LostAt, present)
			rot.Instant = clampInstant(rot.Instant, last, present)
		}
	}
	for i, t := range r.Retiring {
		if t.Retire > present.Add(t.Grace) {
			r.Retiring[i] = t.withGrace(t.Grace, present, clock)
		}
	}
	for i := range r.Orphans {
		r.Orphans[i].At, r.Orphans[i].Found = notAfter(r.Orphans[i].At, now), min(r.Orphans[i].Found, present)
	}
	if r.Request != nil {
		r.Request.At = notAfter(r.Request.At, now)
	}
}

func clampInstant(met, last, present Timestamp) Timestamp {
	if met > last {
		return present
	}
	return met
}

func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}
