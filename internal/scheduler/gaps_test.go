package scheduler

import (
	"fmt"
	"testing"
	"time"
)

func TestAGaugeMeasuresWhatEachScheduleMeasuresItself(t *testing.T) {
	from := instant(t, "2024-01-01T00:00:00Z")
	for _, loc := range zones(t, "UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago") {
		g := NewGapMeter(from)
		for _, hour := range []string{"0", "1", "2", "3", "12", "*", "0-5"} {
			for _, rest := range []string{"5 %s * * 0", "50 %s * * 0", "10,20 %s 1 * *", "40,50 %s 1 * *", "9 1 %s 31 3 *", "58 59 %s 31 3 *"} {
				s := mustParse(t, fmt.Sprintf(rest, hour), loc)
				gotShortest, gotLongest := g.Gaps(s)
				if shortest, longest := s.Gaps(from); gotShortest != shortest || gotLongest != longest {
					t.Errorf("%s, %q: %s to %s, want %s to %s", loc, s, gotShortest, gotLongest, shortest, longest)
				}
			}
		}
	}
}

func TestAGaugeMeasuresAFleetOfSchedulesOnce(t *testing.T) {
	g := NewGapMeter(instant(t, "2024-01-01T00:00:00Z"))
	loc := zones(t, "Europe/Berlin")[0]
	for minute := range 60 * 24 {
		g.Gaps(mustParse(t, fmt.Sprintf("%d %d * * *", minute%60, minute/60), loc))
	}
	// Each hour once, and each minute of the hour that a spring change removes.
	if len(g.known) != 23+60 {
		t.Errorf("%d measurements, want %d", len(g.known), 23+60)
	}
	s := mustParse(t, "@every 90s", time.UTC)
	if shortest, longest := g.Gaps(s); shortest != 90*time.Second || longest != shortest {
		t.Errorf("Gaps of %q = %s, %s", s, shortest, longest)
	}
}
