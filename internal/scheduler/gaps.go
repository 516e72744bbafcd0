package scheduler

import (
	"math/bits"
	"time"

	"github.com/robfig/cron/v3"
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
	last.spec.Second, last.spec.Minute = highestBit(s.spec.Second), highestBit(s.spec.Minute)
	return &last
}

// dayEnds is the schedule of the last instant on every day of s.
func (s *Schedule) dayEnds() *Schedule {
	last := s.hourEnds()
	last.spec.Hour = highestBit(s.spec.Hour)
	return last
}

// highestBit keeps the largest value of a field; the top bit of a field only says that it was a star.
func highestBit(field uint64) uint64 {
	return 1 << (bits.Len64(field&(1<<63-1)) - 1)
}

// GapMeter measures the gaps of many schedules from one instant on. A fleet whose slots
// have a schedule each has few shapes of schedule, of which each is measured once.
// It is not safe for concurrent use.
type GapMeter struct {
	from  time.Time
	zones map[*time.Location]changes
	known map[shape]gaps
}

type gaps struct{ shortest, longest time.Duration }

// shape is a schedule without the place of its instants within the hour.
type shape struct {
	loc  *time.Location
	spec cron.SpecSchedule
}

// NewGapMeter makes a gap meter. from must be a whole hour.
func NewGapMeter(from time.Time) *GapMeter {
	return &GapMeter{from: from, zones: map[*time.Location]changes{}, known: map[shape]gaps{}}
}

// Gaps returns what s.Gaps returns, measured once for each shape.
func (g *GapMeter) Gaps(s *Schedule) (shortest, longest time.Duration) {
	if s.every > 0 {
		return s.Gaps(g.from)
	}
	key := g.shapeOf(s)
	known, ok := g.known[key]
	if !ok {
		known.shortest, known.longest = s.Gaps(g.from)
		g.known[key] = known
	}
	return known.shortest, known.longest
}

// shapeOf moves all instants to the beginning of their hour, all by the same. That
// changes no gap where clocks change at whole hours by whole hours, so that the
// same instants come before and after each change, and where no instant falls
// into an hour that a change removes: those run at the hour's end instead.
func (g *GapMeter) shapeOf(s *Schedule) shape {
	key := shape{s.loc, s.spec}
	c, ok := g.zones[s.loc]
	if !ok {
		c = changesOf(s.loc, g.from.Add(-slack), g.from.Add(3*gapHorizon))
		g.zones[s.loc] = c
	}
	if c.whole && (s.everyHour || s.spec.Hour&c.removed == 0) {
		key.spec.Minute, key.spec.Second = fromZero(s.spec.Minute), fromZero(s.spec.Second)
	}
	return key
}

// fromZero moves a field's values so that the least is 0.
func fromZero(field uint64) uint64 { return field >> bits.TrailingZeros64(field) }

// changes are what a place's clock goes through.
type changes struct {
	whole   bool   // all at whole hours, by whole hours
	removed uint64 // the hours of the day that some change removes
}

func changesOf(loc *time.Location, from, to time.Time) changes {
	c := changes{whole: true}
	for p := spanAt(from, loc); !p.appliesAt(to); {
		next := spanAt(p.end, loc)
		if next.offset != p.offset {
			c.add(p.toLocal(p.end), next.toLocal(p.end))
		}
		p = next
	}
	return c
}

// add counts a change of the clock from before to after.
func (c *changes) add(before, after time.Time) {
	c.whole = c.whole && before.Truncate(time.Hour).Equal(before) && after.Truncate(time.Hour).Equal(after)
	for w := before; w.Before(after); w = w.Add(time.Hour) {
		c.removed |= 1 << w.Hour()
	}
}
