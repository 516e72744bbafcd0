package cf_test

import (
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/moq"
)

func TestAPaceOfAHugeQuotaIsNoSmallOne(t *testing.T) {
	for _, requests := range []int{1e12, math.MaxInt} {
		if n := cf.NewIdlePace(requests, window, 1).PerDay(); n < 1e9 {
			t.Errorf("of %d requests in %s, %g calls a day are told", requests, window, n)
		}
	}
}

// What check tells of the time that a budget takes is what the budget then does.
func TestAPaceIsThatOfTheBudget(t *testing.T) {
	type calls struct {
		at time.Duration
		n  int
	}
	for name, c := range map[string]struct {
		requests int
		per      time.Duration
		share    float64
		made     []calls
	}{
		"as many as a burst":                {1200, window, 0.5, []calls{{0, 100}}},
		"more than a burst":                 {1200, window, 0.5, []calls{{0, 400}}},
		"a little more than a window takes": {1200, window, 0.5, []calls{{0, 620}}},
		"several windows":                   {1200, window, 0.5, []calls{{0, 2000}}},
		"a second burst before the first is made up for": {
			1200, window, 0.5,
			[]calls{{0, 300}, {time.Minute, 200}, {time.Hour, 150}},
		},
		"a small budget": {10, time.Minute, 0.7, []calls{{0, 20}, {90 * time.Second, 9}}},
		"one at a time":  {1, time.Minute, 1, []calls{{0, 3}}},
		"all there are":  {math.MaxInt / 2, window, 1, []calls{{0, 100}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := cf.NewIdlePace(c.requests, c.per, c.share)
			var want []time.Duration
			for _, m := range c.made {
				for range m.n {
					want = append(want, p.Grant(m.at))
				}
			}
			synctest.Test(t, func(t *testing.T) {
				b, g, begin := cf.NewBudget(c.requests, c.per, c.share), &grants{}, time.Now()
				var wg sync.WaitGroup
				for _, m := range c.made {
					pass(m.at - time.Since(begin))
					for range m.n {
						wg.Go(func() { g.call(t, b, moq.Priority{Urgency: moq.Routine}, "", 0) })
					}
				}
				wg.Wait()
				got := make([]time.Duration, len(g.at))
				for i, at := range g.at {
					got[i] = at.Sub(begin)
				}
				slices.Sort(got)
				if len(got) != len(want) {
					t.Fatalf("%d calls were let through, want %d", len(got), len(want))
				}
				for i := range got {
					if (got[i] - want[i]).Abs() > time.Millisecond {
						t.Fatalf("call %d goes after %s, and %s is told", i+1, got[i], want[i])
					}
				}
			})
		})
	}
}
