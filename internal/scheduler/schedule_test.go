package scheduler

import (
	"slices"
	"testing"
	"time"
)

func TestLocalTimeAroundClockChanges(t *testing.T) {
	for _, c := range []struct {
		name, zone, expr, from string
		want                   []string // local, with offset
	}{
		{
			"a removed local time runs at the first instant after the gap", "Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"},
		}, {
			"a repeated local time runs the first time only", "Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"},
		}, {
			"asked from within the repeated hour, its times have been", "Europe/Berlin", "30,45 2 * * *", "2026-10-25T01:10:00Z",
			[]string{"2026-10-26T02:30:00+01:00"},
		}, {
			"a moved instant that meets a scheduled one runs once", "Europe/Berlin", "0 2,3 * * *", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"},
		}, {
			"several removed times make one run", "America/New_York", "*/15 2 * * *", "2026-03-08T06:30:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"},
		}, {
			"every hour follows real time in spring", "Europe/Berlin", "0 * * * *", "2026-03-29T00:30:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"},
		}, {
			"every hour also runs in the repeated hour", "Europe/Berlin", "30 * * * *", "2026-10-25T00:00:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"},
		}, {
			"the first instant of the repeated hour counts", "America/New_York", "@hourly", "2026-11-01T05:30:00Z",
			[]string{"2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"},
		}, {
			"every hour of chosen days too", "Europe/Berlin", "15 * 25 10 *", "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T02:15:00+02:00", "2026-10-25T02:15:00+01:00", "2026-10-25T03:15:00+01:00"},
		}, {
			"0-23 is every hour", "Europe/Berlin", "30 0-23 * * *", "2026-10-25T00:30:00Z",
			[]string{"2026-10-25T02:30:00+01:00"},
		}, {
			"half an hour removed", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T02:00:00Z",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"},
		}, {
			"half an hour repeated", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04T02:00:00Z",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"},
		}, {
			"midnight removed", "America/Sao_Paulo", "@daily", "2018-11-03T12:00:00Z",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"},
		}, {
			"midnight repeated: the day begins once", "America/Sao_Paulo", "0 0 * * *", "2018-02-17T01:00:00Z",
			[]string{"2018-02-17T00:00:00-02:00", "2018-02-18T00:00:00-03:00"},
		}, {
			"a whole day removed", "Pacific/Apia", "0 12 * * *", "2011-12-29T00:00:00Z",
			[]string{"2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"},
		}, {
			"an offset of three quarters", "Asia/Kathmandu", "0 4 * * *", "2026-11-23T00:00:00Z",
			[]string{"2026-11-24T04:00:00+05:45"},
		}, {
			"no changes at all", "UTC", "0 4 * * *", "2026-03-29T00:00:00Z",
			[]string{"2026-03-29T04:00:00Z", "2026-03-30T04:00:00Z"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustParse(t, c.expr, zones(t, c.zone)[0])
			at := instant(t, c.from)
			for _, want := range c.want {
				if at = s.Next(at); !at.Equal(instant(t, want)) {
					t.Fatalf("%q: got %s, want %s", c.expr, at.In(s.loc), want)
				}
			}
		})
	}
}

func TestDailyRunsOncePerLocalDate(t *testing.T) {
	for _, loc := range zones(t, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "UTC") {
		for _, expr := range []string{"@daily", "30 0 * * *", "30 1 * * *", "15 2 * * *", "59 59 2 * * *", "0 3 * * *", "30 23 * * *"} {
			oncePerDate(t, mustParse(t, expr, loc))
		}
	}
}

func oncePerDate(t *testing.T, s *Schedule) {
	t.Helper()
	day := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	at := time.Date(2010, 1, 1, 0, 0, 0, 0, s.loc).Add(-time.Second)
	for range 3653 {
		at = s.Next(at)
		if got, want := at.In(s.loc).Format(time.DateOnly), day.Format(time.DateOnly); got != want {
			t.Fatalf("%s in %s: run on %s, want %s", s, s.loc, got, want)
		}
		day = day.AddDate(0, 0, 1)
	}
}

// Every schedule, at any instant of a night of change, agrees with the plain
// definition: the instants at which the clock first reaches a matching time, or,
// for every hour, all instants that match.
func TestNextAgreesWithTheDefinition(t *testing.T) {
	nights := map[string]string{
		"Europe/Berlin": "2026-10-25T01:00:00Z", "America/New_York": "2026-03-08T07:00:00Z",
		"Australia/Lord_Howe": "2026-04-04T15:00:00Z", "America/Sao_Paulo": "2018-11-04T03:00:00Z",
	}
	for zone, change := range nights {
		loc, middle := zones(t, zone)[0], instant(t, change)
		for _, expr := range []string{"*/10 * * * *", "*/10 0-4 * * *", "20,50 1-2 * * *", "5 */2 * * *", "0 0,1,2,3 * * *"} {
			s := mustParse(t, expr, loc)
			from, to := middle.Add(-5*time.Hour), middle.Add(5*time.Hour)
			got := instantsOf(s, from, to)
			if want := definedAt(s, from, to, time.Minute); !slices.EqualFunc(got, want, time.Time.Equal) {
				t.Errorf("%s in %s:\n got %v\nwant %v", expr, zone, got, want)
			}
		}
	}
}

// definedAt walks step by step over instants in (from, to].
func definedAt(s *Schedule, from, to time.Time, step time.Duration) (list []time.Time) {
	const before = 4 * time.Hour // more than any clock is set back
	wall := func(at time.Time) time.Time {
		_, offset := at.In(s.loc).Zone()
		return at.UTC().Add(time.Duration(offset) * time.Second)
	}
	matches := func(w time.Time) bool { return s.spec.Next(w.Add(-time.Second)).Equal(w) }
	high := wall(from.Add(-before))
	for at := from.Add(-before); !at.After(to); at = at.Add(step) {
		hit := s.everyHour && matches(wall(at))
		for !s.everyHour && high.Before(wall(at)) {
			high = high.Add(step)
			hit = hit || matches(high)
		}
		if hit && at.After(from) {
			list = append(list, at)
		}
	}
	return list
}

func TestLatest(t *testing.T) {
	for _, c := range []struct{ name, expr, after, now, want string }{
		{"none", "0 4 * * *", "2026-11-23T04:00:00Z", "2026-11-24T03:59:59Z", ""},
		{"now itself counts", "0 4 * * *", "2026-11-23T04:00:00Z", "2026-11-24T04:00:00Z", "2026-11-24T04:00:00Z"},
		{"after itself does not", "0 4 * * *", "2026-11-24T04:00:00Z", "2026-11-24T04:00:00Z", ""},
		{"one", "0 4 * * *", "2026-11-23T03:00:00Z", "2026-11-24T03:00:00Z", "2026-11-23T04:00:00Z"},
		{"two", "0 4 * * *", "2026-11-23T03:00:00Z", "2026-11-24T05:00:00Z", "2026-11-24T04:00:00Z"},
		{"a year of seconds", "* * * * * *", "2025-11-23T00:00:00Z", "2026-11-23T00:00:00.7Z", "2026-11-23T00:00:00Z"},
		{"bursts long ago", "* * 2 1 1 *", "2016-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-01-01T02:59:59Z"},
		{"a clock set back", "* * * * *", "2026-11-23T00:00:00Z", "2026-11-22T00:00:00Z", ""},
		{"since ever", "0 4 * * *", "0001-01-01T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-22T04:00:00Z"},
		{"interval: none", "@every 12h", "2026-11-23T00:00:00Z", "2026-11-23T11:59:59Z", ""},
		{"interval: counts from after", "@every 12h", "2026-11-23T01:02:03.9Z", "2026-11-24T13:02:03Z", "2026-11-24T13:02:03Z"},
		{"interval: cut to what has passed", "@every 12h", "2026-11-23T01:02:03Z", "2026-11-24T13:02:02Z", "2026-11-24T01:02:03Z"},
		{"interval: since ever", "@every 1s", "0001-01-01T00:00:00Z", "2026-11-23T00:00:00.5Z", "2026-11-23T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want time.Time
			if c.want != "" {
				want = instant(t, c.want)
			}
			if got := mustParse(t, c.expr, time.UTC).Latest(instant(t, c.after), instant(t, c.now)); !got.Equal(want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestLatestIsTheLastThatNextGives(t *testing.T) {
	after := instant(t, "2026-10-20T00:00:00Z")
	for _, loc := range zones(t, "Europe/Berlin", "Australia/Lord_Howe") {
		for _, expr := range []string{"7 * * * *", "*/20 1-3 * * *", "0 4 * * 1", "0 0 1 * *", "@every 5h"} {
			s := mustParse(t, expr, loc)
			for at, i := after, 0; i < 50; i++ {
				at = s.Next(at)
				for _, now := range []time.Time{at, at.Add(time.Millisecond), s.Next(at).Add(-time.Nanosecond)} {
					if got := s.Latest(after, now); !got.Equal(at) {
						t.Fatalf("%s: Latest(…, %s) = %s, want %s", expr, now, got, at)
					}
				}
			}
		}
	}
}

func TestGaps(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		expr, zone        string
		shortest, longest time.Duration
	}{
		{"@every 12h", "UTC", 12 * time.Hour, 12 * time.Hour},
		{"* * * * * *", "UTC", time.Second, time.Second},
		{"0 4 * * 1", "UTC", 7 * day, 7 * day},
		{"0 4 * * *", "Europe/Berlin", 23 * time.Hour, 25 * time.Hour},
		{"0 */6 * * *", "UTC", 6 * time.Hour, 6 * time.Hour},
		{"@monthly", "UTC", 28 * day, 31 * day},
		{"0 0 29 2 *", "UTC", 1461 * day, 1461 * day},
		{"0 0,23 * * *", "UTC", time.Hour, 23 * time.Hour},
		{"* * 2 * * *", "UTC", time.Second, 23*time.Hour + time.Second},
		{"* * 0-3,20-23 * * *", "UTC", time.Second, 16*time.Hour + time.Second},
		{"* * * * 1 *", "UTC", time.Second, 335*day + time.Second}, // a leap year's rest
		{"* * * * 1-10 *", "UTC", time.Second, 61*day + time.Second},
		{"0 0,12 1 1 *", "UTC", 12 * time.Hour, 365*day + 12*time.Hour},
	} {
		s := mustParse(t, c.expr, zones(t, c.zone)[0])
		if low, high := s.Gaps(instant(t, "2026-11-23T13:00:00Z")); low != c.shortest || high != c.longest {
			t.Errorf("%q: Gaps = %s, %s; want %s, %s", c.expr, low, high, c.shortest, c.longest)
		}
	}
}

func TestJitter(t *testing.T) {
	at := instant(t, "2026-11-23T13:00:00Z")
	if Jitter("a", at, 0) != 0 || Jitter("a", at, -time.Second) != 0 {
		t.Error("no limit, yet a delay")
	}
	if Jitter("a", at, time.Hour) != Jitter("a", at.In(zones(t, "Asia/Kathmandu")[0]), time.Hour) {
		t.Error("the same slot and instant gave two delays")
	}
	if Jitter("a", at, time.Hour) == Jitter("b", at, time.Hour) || Jitter("a", at, time.Hour) == Jitter("a", at.Add(time.Second), time.Hour) {
		t.Error("two slots or instants gave one delay")
	}
	var tenths [10]int
	for i := range 10_000 {
		d := Jitter("slot", at.Add(time.Duration(i)*time.Hour), time.Hour)
		if d < 0 || d >= time.Hour {
			t.Fatalf("Jitter = %s", d)
		}
		tenths[d/(6*time.Minute)]++
	}
	for i, n := range tenths {
		if n < 850 || n > 1150 {
			t.Errorf("%d of 10000 in tenth %d", n, i)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	at := instant(b, "2026-11-23T13:07:09Z")
	for _, expr := range []string{"0 4 * * 1", "* * * * *", "0 0 29 2 *"} {
		s := mustParse(b, expr, zones(b, "Europe/Berlin")[0])
		b.Run(expr, func(b *testing.B) {
			for b.Loop() {
				s.Next(at)
			}
		})
	}
}

func BenchmarkLatestAfterAYear(b *testing.B) {
	now := instant(b, "2026-11-23T13:07:09Z")
	for _, expr := range []string{"* * * * * *", "0 4 * * *"} {
		s := mustParse(b, expr, zones(b, "Europe/Berlin")[0])
		b.Run(expr, func(b *testing.B) {
			for b.Loop() {
				s.Latest(now.AddDate(-1, 0, 0), now)
			}
		})
	}
}

func BenchmarkGaps(b *testing.B) {
	now := instant(b, "2026-11-23T13:07:09Z")
	for _, expr := range []string{"* * * * * *", "0 4 * * *"} {
		s := mustParse(b, expr, zones(b, "Europe/Berlin")[0])
		b.Run(expr, func(b *testing.B) {
			for b.Loop() {
				s.Gaps(now)
			}
		})
	}
}
