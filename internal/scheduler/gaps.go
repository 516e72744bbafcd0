package scheduler

import (
	"math/bits"
	"time"
)

// How much of a schedule Gaps looks at: its first instants, and, where they come too
// densely to reach the horizon, the last instants of its hours and of its days.
const (
	gapSamples = 3000
	gapHorizon = 5 * 365 * 24 * time.Hour
)

// Gaps measures the shortest and the longest time between two neighbouring
// instants after from, over five years. It takes milliseconds.
func (s *Schedule) Gaps(from time.Time) (shortest, longest time.Duration) {
	if s.every > 0 {
		d := time.Duration(s.every) * time.Second
		return d, d
	}
	hours, days := s.hourEnds(), s.dayEnds()
	for i, at := range []*Schedule{s, hours, days} {
		low, high, whole := s.gapsAfter(at, from)
		if i == 0 {
			shortest, longest = low, high
		}
		shortest, longest = min(shortest, low), max(longest, high)
		if whole {
			break
		}
	}
	return shortest, longest
}

// gapsAfter measures the gaps that follow the instants of at, which are instants of
// s too; whole reports whether it came to the horizon.
func (s *Schedule) gapsAfter(at *Schedule, from time.Time) (shortest, longest time.Duration, whole bool) {
	shortest = 1<<63 - 1
	end := from.Add(gapHorizon)
	t := at.Next(from)
	for range gapSamples {
		next := s.Next(t)
		if next.IsZero() {
			return shortest, longest, true
		}
		gap := next.Sub(t)
		shortest, longest = min(shortest, gap), max(longest, gap)
		if t = at.Next(next.Add(-1)); t.IsZero() || t.After(end) {
			return shortest, longest, true
		}
	}
	return shortest, longest, false
}

// hourEnds is the schedule of the last instant in every hour of s.
func (s *Schedule) hourEnds() *Schedule {
	last := *s
	last.spec.Second, last.spec.Minute = highest(s.spec.Second), highest(s.spec.Minute)
	return &last
}

// dayEnds is the schedule of the last instant on every day of s.
func (s *Schedule) dayEnds() *Schedule {
	last := s.hourEnds()
	last.spec.Hour = highest(s.spec.Hour)
	return last
}

// highest keeps the largest value of a field; the top bit of a field only says that it was a star.
func highest(field uint64) uint64 {
	return 1 << (bits.Len64(field&(1<<63-1)) - 1)
}
