package scheduler

import "time"

// slack is longer than any two local clocks ever differ, and than any change of a
// clock is large.
const slack = 48 * time.Hour

// period is a span of time in which a place's offset from UTC is constant, from some
// instant up to end, which is zero where it goes on for ever. The next one may have the
// same offset. Wall-clock times are written as if they were UTC.
type period struct {
	end    time.Time
	offset time.Duration
}

// periodAt is the period from t on. Its end is after t, whatever the time package says:
// by a zone's rule for the years to come it ends each year 365 days after New Year, which on
// the last day of a leap year has passed (golang/go#81583); that day then ends it. Where
// it says that a period began is not asked for: that may be before the last change of all.
func periodAt(t time.Time, loc *time.Location) period {
	const day = 24 * time.Hour
	t = t.In(loc)
	_, offset := t.Zone()
	_, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		end = t.UTC().Truncate(day).Add(day)
	}
	return period{end, time.Duration(offset) * time.Second}
}

// appliesAt reports whether t, which is not before the period, is in it.
func (p period) appliesAt(t time.Time) bool { return p.end.IsZero() || t.Before(p.end) }

// toWall is what the clock on the wall shows at the instant t.
func (p period) toWall(t time.Time) time.Time { return t.UTC().Add(p.offset) }

// toInstant is when the clock on the wall shows w, in or out of the period.
func (p period) toInstant(w time.Time) time.Time { return w.Add(-p.offset) }

// highWater is the latest wall-clock time that has been shown up to t: in an hour
// that is repeated, the end of the hour.
func highWater(t time.Time, loc *time.Location) time.Time {
	p := periodAt(t.Add(-slack), loc)
	high := p.toWall(t.Add(-slack))
	for !p.appliesAt(t) {
		high = laterOf(high, p.toWall(p.end.Add(-1)))
		p = periodAt(p.end, loc)
	}
	return laterOf(high, p.toWall(t))
}

// firstAt is the first instant at which the clock on the wall shows w or later: an
// hour that is skipped is reached where it ends, one that is repeated at its first
// occurrence.
func firstAt(w time.Time, loc *time.Location) time.Time {
	start := w.Add(-slack)
	p := periodAt(start, loc)
	for !p.appliesAt(p.toInstant(w)) {
		start = p.end.UTC()
		p = periodAt(start, loc)
	}
	return laterOf(start, p.toInstant(w))
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
