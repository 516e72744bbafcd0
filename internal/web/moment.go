package web

import (
	"fmt"
	"time"
)

// moment is a time as pages show it: how far from now, and exactly.
type moment struct {
	Relative string // "in 3 h 12 min", "2 d ago"; "" for no time
	Exact    string // UTC, for people
	ISO      string // RFC 3339, for programs
	Clock    string // time of day, UTC
}

// at describes t as seen from now.
func at(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	return moment{
		Relative: relative(t.Sub(now)),
		Exact:    t.Format("Mon 2006-01-02 15:04:05 UTC"),
		ISO:      t.Format(time.RFC3339),
		Clock:    t.Format("15:04:05 UTC"),
	}
}

func relative(d time.Duration) string {
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

// span writes a duration with its one or two leading units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < day:
		return two(d/time.Hour, "h", d%time.Hour/time.Minute, "min")
	case d < 10*day:
		return two(d/day, "d", d%day/time.Hour, "h")
	}
	return fmt.Sprintf("%d d", d/day)
}

func two(n time.Duration, unit string, m time.Duration, smaller string) string {
	if m == 0 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, m, smaller)
}

// took writes how long something lasted, to the millisecond below a minute.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return span(d)
}
