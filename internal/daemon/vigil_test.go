package daemon

import (
	"testing"
	"time"
)

func inSeconds(n int) time.Duration { return time.Duration(n) * time.Second }

func TestOnlyTimeInWhichAReplicaCouldLookCounts(t *testing.T) {
	type look struct {
		whom   string
		nobody bool
		at     int // in seconds
	}
	for name, c := range map[string]struct {
		looks []look
		want  int // in seconds, for the last whom
	}{
		"the first look is one moment":     {[]look{{"a", true, 100}}, 0},
		"looks that show nobody":           {[]look{{"a", true, 1}, {"a", true, 2}, {"a", true, 4}}, 3},
		"somebody, or a look that failed":  {[]look{{"a", true, 1}, {"a", true, 2}, {"a", false, 3}, {"a", true, 4}}, 1},
		"the process stood still":          {[]look{{"a", true, 1}, {"a", true, 2}, {"a", true, 3600}}, 3},
		"somebody else is looked for now":  {[]look{{"a", true, 1}, {"a", true, 2}, {"b", true, 3}, {"b", true, 4}}, 1},
		"who was looked for before, again": {[]look{{"a", true, 1}, {"a", true, 2}, {"b", true, 3}, {"a", true, 4}}, 0},
	} {
		var v vigil
		for _, l := range c.looks {
			v.note(l.whom, l.nobody, inSeconds(l.at))
		}
		whom := c.looks[len(c.looks)-1].whom
		if got := v.lastedFor(whom); got != inSeconds(c.want) {
			t.Errorf("%s: %s, want %d s", name, got, c.want)
		}
		if got := v.lastedFor("somebody else"); got != 0 {
			t.Errorf("%s: somebody else was looked for %s", name, got)
		}
	}
}
