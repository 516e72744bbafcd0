package scheduler

import (
	"strings"
	"testing"
	"time"
)

func TestParseRefusesWithWhatToDo(t *testing.T) {
	for expr, hint := range map[string]string{
		"":                             "empty",
		" \t ":                         "empty",
		"TZ=UTC":                       "use timezone:",
		"CRON_TZ=":                     "use timezone:",
		"CRON_TZ=Asia/Tokyo 0 4 * * 1": "use timezone:",
		"@every":                       "not a duration",
		"@every 0s":                    "at least 1s",
		"@every -5m":                   "at least 1s",
		"@every 500ms":                 "at least 1s",
		"@every 1500ms":                "whole seconds",
		"@every 1d":                    "a day is 24h",
		"@reboot":                      "initial: now",
		"@fortnightly":                 "known are @hourly",
		"@":                            "known are @hourly",
		"4 * * 1":                      "has 4 fields",
		"0 0 0 4 * * 1":                "has 7 fields",
		"*/90 * * * *":                 "larger than the range 0-59",
		"*/60 * * * *":                 "write 0 if that is meant",
		"0 */24 * * *":                 "larger than the range 0-23",
		"0 5-8/4 * * *":                "larger than the range 5-8",
		"*/0 * * * *":                  "at least 1",
		"0 4 * * 7":                    "use 0 for Sunday",
		"0 4 * * 5-7":                  "0,5-6",
		"60 * * * *":                   "a minute is 0 to 59",
		"0 24 * * *":                   "a hour is 0 to 23",
		"0 0 0 * *":                    "a day of month is 1 to 31",
		"0 0 1 13 *":                   "a month is 1 to 12",
		"0 0 1 foo *":                  `"foo" is not a month`,
		"0 0 * * anj":                  `"anj" is not a day of week`,
		"0 0 * jan-feb-mar *":          "not understood",
		", * * * *":                    "not understood",
		"1,,2 * * * *":                 "not understood",
		"*-5 * * * *":                  "not understood",
		"1/2/3 * * * *":                "not understood",
		"0 0 L * *":                    "not understood",
		"0 0 * * 1#2":                  "not understood",
		"-1 * * * *":                   "not understood",
		"0 22-4 * * *":                 "write it as two, such as 22-23,0-4",
		"0 0 30 2 *":                   "never happens",
		"0 0 31 4,6,9,11 *":            "never happens",
	} {
		s, err := Parse(expr, nil)
		if err == nil {
			t.Errorf("Parse(%q) = %v, want an error with %q", expr, s, hint)
		} else if !strings.Contains(err.Error(), hint) {
			t.Errorf("Parse(%q): %q lacks %q", expr, err, hint)
		}
	}
}

func TestNextAfter(t *testing.T) {
	const from = "2026-11-23T13:07:09.5Z" // a Monday
	for expr, want := range map[string]string{
		"* * * * * *":     "2026-11-23T13:07:10Z",
		"? * * * *":       "2026-11-23T13:08:00Z",
		"*/15 * * * *":    "2026-11-23T13:15:00Z",
		"30 */5 * * * *":  "2026-11-23T13:10:30Z",
		"0 4 * * 1":       "2026-11-30T04:00:00Z",
		"0 4 * * MON-Wed": "2026-11-24T04:00:00Z",
		"0 0 1 JAN *":     "2027-01-01T00:00:00Z",
		"0 0 13 * 5":      "2026-11-27T00:00:00Z", // either day, as cron has it
		"0 0 29 2 *":      "2028-02-29T00:00:00Z",
		"@hourly":         "2026-11-23T14:00:00Z",
		"@daily":          "2026-11-24T00:00:00Z",
		"@midnight":       "2026-11-24T00:00:00Z",
		"@weekly":         "2026-11-29T00:00:00Z",
		"@monthly":        "2026-12-01T00:00:00Z",
		"@yearly":         "2027-01-01T00:00:00Z",
		"@annually":       "2027-01-01T00:00:00Z",
		"@every 12h":      "2026-11-24T01:07:09Z",
		" @every   1s ":   "2026-11-23T13:07:10Z",
	} {
		if got := mustParse(t, expr, time.UTC).Next(instant(t, from)); !got.Equal(instant(t, want)) {
			t.Errorf("%q: Next = %s, want %s", expr, got, want)
		}
	}
}

func TestLeapDayIsFoundAcrossTheCenturyWithoutOne(t *testing.T) {
	s := mustParse(t, "0 0 29 2 *", time.UTC)
	if got := s.Next(instant(t, "2096-03-01T00:00:00Z")); !got.Equal(instant(t, "2104-02-29T00:00:00Z")) {
		t.Errorf("Next = %s", got)
	}
}

func TestStringIsTheExpression(t *testing.T) {
	if got := mustParse(t, "  0  4 * * 1 ", nil).String(); got != "0 4 * * 1" {
		t.Errorf("String = %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, expr := range []string{
		"0 4 * * 1", "* * * * * *", "*/5 2 * * *", "0 0 29 2 *", "@daily", "@every 12h", "@reboot", "TZ=UTC", "CRON_TZ=",
		"0 0 30 2 *", "*/90 * * * *", ", * * * *", "1-5/2,7 1,2,3 ? jan-mar/2 sun", "30 0 * * 0",
	} {
		f.Add(expr, int64(1_792_890_000), uint8(0))
	}
	zones := zones(f, "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu")
	f.Fuzz(func(t *testing.T, expr string, unix int64, zone uint8) {
		s, err := Parse(expr, zones[int(zone)%len(zones)])
		if err != nil {
			return
		}
		const yearsFrom1900To2200 = 300 * 365 * 24 * 3600
		start := time.Unix(unix%yearsFrom1900To2200/2, 0)
		at := start
		for range 20 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q in %s: Next(%s) = %s", expr, s.loc, at, next)
			}
			if between := at.Add(next.Sub(at) / 2); s.every == 0 && !s.Next(between).Equal(next) {
				t.Fatalf("%q in %s: Next(%s) = %s, but %s from between", expr, s.loc, at, next, s.Next(between))
			}
			at = next
		}
		if latest := s.Latest(start, at); !latest.Equal(at) {
			t.Fatalf("%q in %s: Latest(%s, %s) = %s", expr, s.loc, start, at, latest)
		}
	})
}

func mustParse(t testing.TB, expr string, loc *time.Location) *Schedule {
	t.Helper()
	s, err := Parse(expr, loc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func zones(t testing.TB, names ...string) []*time.Location {
	t.Helper()
	var list []*time.Location
	for _, name := range names {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, loc)
	}
	return list
}
