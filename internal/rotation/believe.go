package rotation

import (
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// longestBlock is how long a 429 of Cloudflare may hold anybody up: its budget is stopped that long.
const longestBlock = 10 * time.Minute

// askedWait is how long an error may have the next attempt wait because its answer
// asked for that: as long as a 429 of Cloudflare stops the budget, for any other the
// longest backoff.
func askedWait(err error, longest time.Duration) time.Duration {
	f := fault.Of(err)
	if f.Reason == fault.RateLimited && blamesAccount(err) {
		longest = longestBlock
	}
	return min(f.After, longest)
}

func blamesAccount(err error) bool {
	for _, k := range sakesOf(err) {
		if k.account {
			return true
		}
	}
	return false
}

// waits tells until when the present run of failures forbids another try. A time that
// lies further ahead than any failure can put it is not believed: the wall clock was wrong.
func (r *Record) waits(now time.Time) (until time.Time, waits bool) {
	f := r.Failure
	if f == nil || !now.Before(f.Next) || f.Next.Sub(now) > r.longestWait() {
		return time.Time{}, false
	}
	return f.Next, true
}

// longestWait is as far ahead as a failure may put the next attempt.
func (r *Record) longestWait() time.Duration {
	switch f := r.Failure; {
	case f.Reason == string(fault.RateLimited) && f.Sink == "":
		return longestBlock
	case r.blackout().IsZero():
		return routine.longest
	}
	return blackout.longest
}

// blackout is since when the slot's consumers may be locked out (in_place);
// zero when they are not.
func (r *Record) blackout() time.Time {
	if a := r.Attempt; a != nil && a.Strategy == moq.InPlace {
		return a.Started.Time()
	}
	if rot := r.Rotation; rot != nil && rot.Strategy == moq.InPlace && rot.Phase == Minted {
		return rot.Started.Time()
	}
	return time.Time{}
}

// disbelieve takes back to now what a wall clock that was wrong put further ahead than
// its rule can reach: with the clock set right, the slot would wait for it. (Of a failure,
// waits does so.) It is for a record that nobody else has.
func (r *Record) disbelieve(p *Plan, now time.Time, clock Reading) {
	present := MomentOf(now)
	last := present // the latest instant that can have been met: a clock may have been a little fast
	if p != nil && p.Schedule != nil {
		last = max(last, MomentOf(p.Schedule.Next(now)))
	}
	r.FirstSeen, r.Met = min(r.FirstSeen, present), metUpTo(r.Met, last, present)
	for _, rot := range []*Rotation{r.Attempt, r.Rotation} {
		if rot != nil {
			rot.Started, rot.LostAt = min(rot.Started, present), min(rot.LostAt, present)
			rot.Instant = metUpTo(rot.Instant, last, present)
		}
	}
	for i, t := range r.Old {
		if t.Retire > present.Add(t.Grace) {
			r.Old[i] = t.withGrace(t.Grace, present, clock)
		}
	}
	for i := range r.Lost {
		r.Lost[i].At = notAfter(r.Lost[i].At, now)
	}
	if r.Request != nil {
		r.Request.At = notAfter(r.Request.At, now)
	}
}

func metUpTo(met, last, present Moment) Moment {
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
