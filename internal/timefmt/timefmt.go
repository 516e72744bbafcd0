// Package timefmt writes durations and instants for people, in UTC.
//
// There are two voices. Columns of the command line are compact and sort by eye: Compact, Since,
// Until, Stamp. The pages, and sentences, have words: Words, Relative, Took, Full, Clock. A
// duration has two units at most, since who wants the seconds of three days has the instant beside
// it. A zero time is none, and every function says so in its own way. What machines read is RFC
// 3339, and not written here.
package timefmt

import (
	"fmt"
	"time"
)

const day = 24 * time.Hour

// unit is one that durations are written in.
type unit struct {
	size        time.Duration
	short, long string
}

// allUnits are from the largest to the smallest.
func allUnits() [4]unit {
	return [...]unit{{day, "d", "d"}, {time.Hour, "h", "h"}, {time.Minute, "m", "min"}, {time.Second, "s", "s"}}
}

// leadingUnits returns d as a number of its largest unit, and what is left as one of the next. Seconds have
// no next.
func leadingUnits(d time.Duration) (n time.Duration, u unit, rest time.Duration, next unit) {
	all := allUnits()
	i := 0
	for i < len(all)-1 && d < all[i].size {
		i++
	}
	u = all[i]
	if i < len(all)-1 {
		next = all[i+1]
		rest = d % u.size / next.size
	}
	return d / u.size, u, rest, next
}

// Compact returns d in its two largest units: "2d1h", "1h0m", "59s". Less than nothing is "0s".
func Compact(d time.Duration) string {
	n, u, rest, next := leadingUnits(max(d, 0))
	if next.size == 0 {
		return fmt.Sprintf("%d%s", n, u.short)
	}
	return fmt.Sprintf("%d%s%d%s", n, u.short, rest, next.short)
}

// Words returns d in its largest unit, with the next where that says something: "3 h 12 min", "2 d",
// "40 d", "5 min".
func Words(d time.Duration) string {
	n, u, rest, next := leadingUnits(d)
	if rest == 0 || u.size == time.Minute || d >= 10*day {
		return fmt.Sprintf("%d %s", n, u.long)
	}
	return fmt.Sprintf("%d %s %d %s", n, u.long, rest, next.long)
}

// Took returns in words how long something lasted, to the millisecond below a second and to a tenth
// below a minute; "" where it did not.
func Took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return Words(d)
}

// Relative returns in words where t lies from now: "in 3 h 12 min", "2 d ago", "now"; "" for no time.
func Relative(now, t time.Time) string {
	d := t.Sub(now)
	switch {
	case t.IsZero():
		return ""
	case d.Abs() < time.Second:
		return "now"
	case d < 0:
		return Words(-d) + " ago"
	}
	return "in " + Words(d)
}

// Until returns compactly how far ahead t lies: "in 1h30m"; "now" where that is less than a second, or past, "-"
// for no time.
func Until(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case t.Sub(now) < time.Second:
		return "now"
	}
	return "in " + Compact(t.Sub(now))
}

// Since returns compactly how long t is past: "1h30m"; "never" for no time.
func Since(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Compact(now.Sub(t))
}

// Stamp returns t's date and time of day: "2026-03-01 11:00:00Z"; "-" for no time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// Full returns t with the day of the week: "Sun 2026-03-01 11:00:00 UTC".
func Full(t time.Time) string { return t.UTC().Format("Mon 2006-01-02 15:04:05 UTC") }

// Clock returns t's time of day: "11:00:00 UTC".
func Clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
