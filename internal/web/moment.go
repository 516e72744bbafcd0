package web

import (
	"time"

	"github.com/rotatord/rotatord/internal/timefmt"
)

// moment is a time as pages show it: how far from now, and exactly.
type moment struct {
	Relative string // "in 3 h 12 min", "2 d ago"; "" for no time
	Exact    string // UTC, for people
	ISO      string // RFC 3339, for programs
	Clock    string // time of day, UTC
}

// pastAt returns t, when something has happened, as seen from now: never as if it were to come, though the clock
// was set back since.
func pastAt(t, now time.Time) moment {
	m := momentAt(t, now)
	if t.After(now) {
		m.Relative = timefmt.Relative(now, now)
	}
	return m
}

// momentAt returns t as seen from now.
func momentAt(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{
		Relative: timefmt.Relative(now, t),
		Exact:    timefmt.Full(t),
		ISO:      t.UTC().Format(time.RFC3339),
		Clock:    timefmt.Clock(t),
	}
}
