package scheduler

import "time"

// slack is longer than any two local clocks ever differ, and than any change of a
// clock is large.
const slack = 48 * time.Hour

// offsetSpan is a span of time in which a place's offset from UTC is constant, from some
// instant up to end, which is zero where it goes on for ever. The next one may have the
// same offset. Local times are written as if they were UTC.
type offsetSpan struct {
	end    time.Time
	offset time.Duration
}

// spanAt is the span from t on. Its end is after t, whatever the time package says:
// by a zone's rule for the years to come it ends each year 365 days after New Year, which on
// the last day of a leap year has passed (golang/go#81583); that day then ends it. Where
// it says that a span began is not asked for: that may be before the last change of all.
func spanAt(t time.Time, loc *time.Location) offsetSpan {
	const day = 24 * time.Hour
	t = t.In(loc)
	_, offset := t.Zone()
	_, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		end = t.UTC().Truncate(day).Add(day)
	}
	return offsetSpan{end, time.Duration(offset) * time.Second}
}

// appliesAt reports whether t, which is not before the span, is in it.
func (p offsetSpan) appliesAt(t time.Time) bool { return p.end.IsZero() || t.Before(p.end) }

// toLocal is the local time at the instant t.
func (p offsetSpan) toLocal(t time.Time) time.Time { return t.UTC().Add(p.offset) }

// toInstant is when it is w, in or out of the span.
func (p offsetSpan) toInstant(w time.Time) time.Time { return w.Add(-p.offset) }

// latestShown is the latest local time that clocks have shown up to t: in an hour
// that is repeated, the end of the hour.
func latestShown(t time.Time, loc *time.Location) time.Time {
	p := spanAt(t.Add(-slack), loc)
	high := p.toLocal(t.Add(-slack))
	for !p.appliesAt(t) {
		high = laterOf(high, p.toLocal(p.end.Add(-1)))
		p = spanAt(p.end, loc)
	}
	return laterOf(high, p.toLocal(t))
}

// firstAt is the first instant at which clocks show w or later: an
// hour that is skipped is reached where it ends, one that is repeated at its first
// occurrence.
func firstAt(w time.Time, loc *time.Location) time.Time {
	start := w.Add(-slack)
	p := spanAt(start, loc)
	for !p.appliesAt(p.toInstant(w)) {
		start = p.end.UTC()
		p = spanAt(start, loc)
	}
	return laterOf(start, p.toInstant(w))
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
