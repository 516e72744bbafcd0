package workload

import (
	"math"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// How far ahead is looked: every day of a week and of a month is in it. Where a fleet has very many
// schedules, it is less, but for each its next instants.
const (
	horizon      = 35 * day
	maxInstants  = 4000    // of one schedule
	fewInstants  = 8       // of one schedule, however many there are
	allInstants  = 200_000 // of all schedules, about
	maxArrivals  = 1_000_000
	maxPieces    = 16 // that the slots of a group are spread over by jitter
	maxGranted   = 20_000_000
	renewedAfter = 2.0 / 3 // of a token's life
)

// fleet is a configuration with the instants of its schedules.
type fleet struct {
	cfg    *config.Config
	now    time.Time
	groups []group
	known  map[slot.Schedule]*instants
	most   int // instants that are listed of one schedule
}

// group are slots that behave alike.
type group struct {
	first *slot.Plan
	slots int
}

type groupKey struct {
	account  string
	schedule slot.Schedule
	jitter   time.Duration
	strategy moq.Strategy
	matching bool
	grace    time.Duration
	lifetime time.Duration
}

// instants are the next ones of a schedule, as times after now.
type instants struct {
	next []time.Duration
	rate float64 // a day
}

func newFleet(cfg *config.Config, now time.Time) *fleet {
	f := &fleet{cfg: cfg, now: now.UTC().Truncate(time.Second), known: map[slot.Schedule]*instants{}}
	index := map[groupKey]int{}
	schedules := map[slot.Schedule]bool{}
	for _, p := range cfg.Plans() {
		key := groupKey{p.Account, p.Schedule, p.Jitter, p.Strategy, p.Matching, p.Grace, p.Lifetime}
		at, known := index[key]
		if !known {
			at = len(f.groups)
			index[key], f.groups = at, append(f.groups, group{first: p})
			schedules[p.Schedule] = true
		}
		f.groups[at].slots++
	}
	f.most = min(maxInstants, max(fewInstants, allInstants/max(1, len(schedules))))
	return f
}

// rotationsPerDay is how often a day a slot rotates: at the instants of its schedule, and whenever a third of
// its token's life is left before the next.
func (f *fleet) rotationsPerDay(p *slot.Plan) float64 {
	renewal := math.Inf(1) // days
	if p.Strategy == moq.Overlap && p.Lifetime > 0 {
		renewal = renewedAfter * float64(p.Lifetime) / float64(day)
	}
	if p.Schedule == nil {
		return 1 / renewal
	}
	rate := f.instantsOf(p.Schedule).rate
	if rate <= 0 {
		return 0
	}
	return rate * math.Max(1, math.Ceil(1/rate/renewal))
}

func (f *fleet) instantsOf(s slot.Schedule) *instants {
	known := f.known[s]
	if known == nil {
		known = f.nextInstants(s)
		f.known[s] = known
	}
	return known
}

// nextInstants lists the instants up to the horizon, some in any case, and no more than may be listed.
func (f *fleet) nextInstants(s slot.Schedule) *instants {
	out := &instants{}
	within := 0 // the horizon
	for at := s.Next(f.now); !at.IsZero() && len(out.next) < f.most; at = s.Next(at) {
		ahead := at.Sub(f.now)
		if ahead > horizon && len(out.next) >= fewInstants {
			break
		}
		out.next = append(out.next, ahead)
		if ahead <= horizon {
			within++
		}
	}
	out.rate = rateOf(out.next, within)
	return out
}

// rateOf returns how often a day a schedule comes, by its next instants, of which so many are within the horizon: by
// their number, which is that of whole weeks; where they are few by the gaps between them, and where they
// are too many to be listed so far by as far as they were.
func rateOf(next []time.Duration, within int) float64 {
	n := len(next)
	switch {
	case n < 2:
		return 0 // no schedule has so few
	case within < fewInstants:
		return float64(n-1) * float64(day) / float64(next[n-1]-next[0])
	case within < n || next[n-1] > horizon-day:
		return float64(within) * float64(day) / float64(horizon)
	}
	return float64(n) * float64(day) / float64(next[n-1])
}
