package timefmt

import (
	"testing"
	"time"
)

func TestCompactGivesTheTwoLargestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 999 * time.Millisecond: "0s", 59 * time.Second: "59s", time.Minute: "1m0s",
		61 * time.Minute: "1h1m", 24*time.Hour - time.Second: "23h59m", 49 * time.Hour: "2d1h", 400 * 24 * time.Hour: "400d0h",
	} {
		if got := Compact(d); got != want {
			t.Errorf("Compact(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestInstantsInColumns(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct{ got, want string }{
		{Until(now, time.Time{}), "-"}, {Until(now, now), "now"}, {Until(now, now.Add(-time.Hour)), "now"},
		{Until(now, now.Add(90*time.Minute)), "in 1h30m"}, {Until(now, now.Add(time.Second)), "in 1s"}, {Until(now, now.Add(time.Second-1)), "now"},
		{Since(now, time.Time{}), "never"}, {Since(now, now.Add(-time.Hour)), "1h0m"}, {Since(now, now.Add(time.Hour)), "0s"},
		{Stamp(time.Time{}), "-"}, {Stamp(now), "2026-03-01 11:00:00Z"},
		{Full(now), "Sun 2026-03-01 11:00:00 UTC"}, {Clock(now), "11:00:00 UTC"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestInstantsInWords(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "now", 500 * time.Millisecond: "now", -500 * time.Millisecond: "now", time.Second: "in 1 s", -59 * time.Second: "59 s ago",
		90 * time.Second: "in 1 min", 2 * time.Hour: "in 2 h", -(2*time.Hour + 5*time.Minute): "2 h 5 min ago",
		3*day + 8*time.Hour: "in 3 d 8 h", 10*day - time.Hour: "in 9 d 23 h", 10*day + time.Hour: "in 10 d", -40 * day: "40 d ago",
	} {
		if got := Relative(now, now.Add(d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := Relative(now, time.Time{}); got != "" {
		t.Errorf("no time is %q", got)
	}
}

func TestHowLongSomethingTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "", 0: "", 812 * time.Millisecond: "812 ms", 1340 * time.Millisecond: "1.3 s", 2 * time.Minute: "2 min",
		time.Hour + time.Minute: "1 h 1 min",
	} {
		if got := Took(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
