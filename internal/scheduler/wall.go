package scheduler

import "time"

// slack is longer than any two local clocks ever differ, and than any change of a
// clock is large.
const slack = 48 * time.Hour

// period is a span of time in which a place's offset from UTC is constant:
// [start, end), zero where it is unbounded. Wall-clock times are written as if
// they were UTC.
type period struct {
	start, end time.Time
	offset     time.Duration
}

func periodAt(t time.Time, loc *time.Location) period {
	t = t.In(loc)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	return period{start, end, time.Duration(offset) * time.Second}
}

// wall is what the clock on the wall shows at the instant t.
func (p period) wall(t time.Time) time.Time { return t.UTC().Add(p.offset) }

// instant is when the clock on the wall shows w, in or out of the period.
func (p period) instant(w time.Time) time.Time { return w.Add(-p.offset) }

// highWater is the latest wall-clock time that has been shown up to t: in an hour
// that is repeated, the end of the hour.
func highWater(t time.Time, loc *time.Location) time.Time {
	p := periodAt(t, loc)
	high := p.wall(t)
	for start := p.start; !start.IsZero() && t.Sub(start) < slack; start = p.start {
		before := start.Add(-1)
		p = periodAt(before, loc)
		if w := p.wall(before); w.After(high) {
			high = w
		}
	}
	return high
}

// firstAt is the first instant at which the clock on the wall shows w or later: an
// hour that is skipped is reached where it ends, one that is repeated at its first
// occurrence.
func firstAt(w time.Time, loc *time.Location) time.Time {
	p := periodAt(w.Add(-slack), loc)
	for !p.end.IsZero() && !p.instant(w).Before(p.end) {
		p = periodAt(p.end, loc)
	}
	if at := p.instant(w); p.start.IsZero() || at.After(p.start) {
		return at
	}
	return p.start.UTC()
}
