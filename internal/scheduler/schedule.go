// Package scheduler says when: it parses schedules, finds their instants in
// local time, spreads them, and keeps one queue of wake-up times. It knows
// nothing of what is rotated.
//
// A schedule is a rule in local time, an instant is a point in time. Where the clocks of a zone are
// changed, a time of day may be missing or come twice: a daily run is then neither skipped nor doubled,
// and runs that are missing together are one, at the end of the gap. From a schedule alone follow its gaps, which say whether a grace or a lifetime fits.
// Jitter is a delay that is drawn from a key, for a slot its ids, and the instant, so that it is the
// same after a restart or a rename. The queue goes by the wall clock and sleeps only for a while at a time: a
// machine may be suspended, and its clock set.
package scheduler

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a parsed schedule. It is immutable and safe for concurrent use.
// Instants are whole seconds, in UTC.
//
// A schedule with chosen hours follows the local clock: a local time that a
// spring change removes runs at the first instant after the hour that is gone, one that an
// autumn change repeats runs the first time only. A schedule of every hour
// follows real time: it also runs in the repeated hour.
type Schedule struct {
	expr      string
	loc       *time.Location
	every     int64             // seconds; 0 for a cron expression
	spec      cron.SpecSchedule // in UTC: it sees fields of local time only
	everyHour bool              // follows real time
}

// String is the expression, with single spaces.
func (s *Schedule) String() string { return s.expr }

// Location is the zone whose clock the schedule follows.
func (s *Schedule) Location() *time.Location { return s.loc }

// Next is the first instant strictly after t; zero when there is none. For
// "@every d" it is t, cut to whole seconds, plus d.
func (s *Schedule) Next(t time.Time) time.Time {
	switch {
	case s.every > 0:
		return time.Unix(t.Unix()+s.every, 0).UTC()
	case s.everyHour:
		return s.nextEveryHour(t)
	}
	w := s.nextLocal(latestShown(t, s.loc))
	if w.IsZero() {
		return time.Time{}
	}
	return firstAt(w, s.loc)
}

// nextEveryHour goes through the spans of constant offset one by one, so that
// every real instant whose local fields match is found.
func (s *Schedule) nextEveryHour(t time.Time) time.Time {
	p := spanAt(t, s.loc)
	w := p.toLocal(t)
	for {
		n := s.nextLocal(w)
		if n.IsZero() {
			return time.Time{}
		}
		if at := p.toInstant(n); p.appliesAt(at) {
			return at
		}
		end := p.end
		p = spanAt(end, s.loc)
		w = p.toLocal(end).Add(-1) // so that the span's first instant counts
	}
}

// nextLocal is the first matching local time after w. The library gives up
// after five years; eight pass between two leap days around 2100.
func (s *Schedule) nextLocal(w time.Time) time.Time {
	n := s.spec.Next(w)
	if n.IsZero() {
		n = s.spec.Next(time.Date(w.Year()+5, 1, 1, 0, 0, 0, 0, time.UTC).Add(-1))
	}
	return n
}

// Latest is the last instant in (after, now]; zero when there is none. It costs
// little however long ago after is.
func (s *Schedule) Latest(after, now time.Time) time.Time {
	if s.every > 0 {
		return s.latestEvery(after, now)
	}
	first := s.Next(after)
	if !hasPassed(first, now) {
		return time.Time{}
	}
	second := s.Next(first)
	if !hasPassed(second, now) {
		return first
	}
	return s.latestWithin(second, now, second.Sub(first))
}

func (s *Schedule) latestEvery(after, now time.Time) time.Time {
	n := (now.Unix() - after.Unix()) / s.every
	if n < 1 {
		return time.Time{}
	}
	return time.Unix(after.Unix()+n*s.every, 0).UTC()
}

// latestWithin looks back from now in ever larger windows for some instant, then
// halves what is left. found is an instant that has passed.
func (s *Schedule) latestWithin(found, now time.Time, window time.Duration) time.Time {
	for from := now.Add(-window); from.After(found); from = now.Add(-window) {
		if n := s.Next(from); hasPassed(n, now) {
			found = n
			break
		}
		window *= 2
	}
	for end := now; ; {
		n := s.Next(found)
		if !hasPassed(n, now) {
			return found
		}
		found = n
		middle := found.Add(end.Sub(found) / 2)
		if n = s.Next(middle); hasPassed(n, now) {
			found = n
		} else {
			end = middle
		}
	}
}

func hasPassed(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }
