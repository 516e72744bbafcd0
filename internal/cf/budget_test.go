package cf_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
)

const window = 5 * time.Minute

// grants writes down when, and in which order, calls were let through.
type grants struct {
	mu    sync.Mutex
	at    []time.Time
	names []string
}

func (g *grants) add(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at, g.names = append(g.at, time.Now()), append(g.names, name)
}

func (g *grants) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.at)
}

// most is the largest number of grants in any stretch of time of length d.
func (g *grants) most(d time.Duration) int {
	best, first := 0, 0
	for i, at := range g.at {
		for at.Sub(g.at[first]) >= d {
			first++
		}
		best = max(best, i-first+1)
	}
	return best
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

// call waits for b and answers after took.
func (g *grants) call(t *testing.T, b *cf.Budget, p moq.Priority, name string, took time.Duration) {
	if err := b.Acquire(t.Context(), p); err != nil {
		t.Error(err)
		return
	}
	g.add(name)
	pass(took)
	b.Release(true)
}

func TestFiveThousandCallsTakeWhatTheBudgetAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g, begin := cf.NewBudget(1200, window, 0.5), &grants{}, time.Now()
		var wg sync.WaitGroup
		for i := range 5000 {
			p := moq.Priority{Urgency: moq.Routine, Deadline: begin.Add(time.Duration(5000-i) * time.Minute)}
			wg.Go(func() { g.call(t, b, p, "routine", 100*time.Millisecond) })
		}
		synctest.Wait()
		for range 5 {
			wg.Go(func() { g.call(t, b, moq.Priority{Urgency: moq.Compromised}, "compromised", 100*time.Millisecond) })
		}
		wg.Wait()
		// From idle, 600 calls may go at once, and the last of 5,005 after eight windows.
		ideal := 8 * window
		if took := time.Since(begin); took > ideal*105/100 {
			t.Errorf("took %s, the budget alone allows %s", took, ideal)
		}
		if n := g.most(window); n > 600 {
			t.Errorf("%d calls in one window, want 600 at most", n)
		}
		if last := slices.Index(g.names, "compromised"); last > 130 {
			t.Errorf("the first urgent call was number %d", last)
		}
	})
}

func TestQuotaHoldsInEveryWindowWhateverTheAnswersTake(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			quota := 1 + rnd.IntN(60)
			b, sent, answered := cf.NewBudget(quota, time.Minute, 1), &grants{}, &grants{}
			var wg sync.WaitGroup
			for range 6 * quota {
				urgencies := [...]moq.Urgency{moq.Blackout, moq.Compromised, moq.Routine}
				p := moq.Priority{Urgency: urgencies[rnd.IntN(3)], Revoke: rnd.IntN(3) == 0}
				start, took := time.Duration(rnd.Int64N(int64(3*time.Minute))), time.Duration(rnd.Int64N(int64(20*time.Second)))
				wg.Go(func() {
					pass(start)
					sent.call(t, b, p, "", took)
					answered.add("")
				})
			}
			wg.Wait()
			if n := max(sent.most(time.Minute), answered.most(time.Minute)); n > quota {
				t.Errorf("seed %d: %d calls in one window, want %d at most", seed, n, quota)
			}
		})
	}
}

func TestIdleBudgetLetsARotationThroughAtOnce(t *testing.T) {
	for _, quota := range []int{10, 50, 600} {
		synctest.Test(t, func(t *testing.T) {
			b, g, begin := cf.NewBudget(quota, window, 1), &grants{}, time.Now()
			for range 10 {
				g.call(t, b, routine(), "", 0)
			}
			if took := time.Since(begin); took != 0 {
				t.Errorf("quota %d: ten calls took %s", quota, took)
			}
		})
	}
}

func TestUrgentCallNeverWaitsForRoutineOnes(t *testing.T) {
	for _, u := range []moq.Urgency{moq.Blackout, moq.Compromised} {
		synctest.Test(t, func(t *testing.T) {
			b, g := cf.NewBudget(600, window, 1), &grants{}
			ctx, cancel := context.WithCancel(t.Context())
			for range 2000 {
				go func() {
					if b.Acquire(ctx, routine()) == nil {
						b.Release(true)
					}
				}()
			}
			for range 4 { // one in each part of a window
				pass(73 * time.Second)
				begin := time.Now()
				g.call(t, b, moq.Priority{Urgency: u}, "", 0)
				if took := time.Since(begin); took != 0 {
					t.Errorf("urgency %d waited %s", u, took)
				}
			}
			cancel()
			synctest.Wait()
		})
	}
}

// order lets the calls queue up behind a spent budget and gives their order.
func order(t *testing.T, calls map[string]moq.Priority, names []string) []string {
	t.Helper()
	var got []string
	synctest.Test(t, func(t *testing.T) {
		b, g := cf.NewBudget(1, time.Second, 1), &grants{}
		g.call(t, b, moq.Priority{}, "first", 0)
		var wg sync.WaitGroup
		for _, name := range names {
			wg.Go(func() { g.call(t, b, calls[name], name, 0) })
			synctest.Wait()
		}
		wg.Wait()
		got = g.names[1:]
	})
	return got
}

func TestCallsGoInOrderOfPriority(t *testing.T) {
	soon, late := time.Unix(1, 0), time.Unix(2, 0)
	calls := map[string]moq.Priority{
		"blackout":         {Urgency: moq.Blackout},
		"compromised soon": {Urgency: moq.Compromised, Deadline: soon},
		"compromised":      {Urgency: moq.Compromised},
		"soon":             {Urgency: moq.Routine, Deadline: soon},
		"late":             {Urgency: moq.Routine, Deadline: late},
		"late, too":        {Urgency: moq.Routine, Deadline: late},
		"some time":        {Urgency: moq.Routine},
	}
	want := []string{"blackout", "compromised soon", "compromised", "soon", "late", "late, too", "some time"}
	for _, shift := range []int{0, 3, 5} {
		arriving := slices.Concat(want[shift:5], want[:shift], want[5:])
		if got := order(t, calls, arriving); !slices.Equal(got, want) {
			t.Errorf("arriving as %q they went as %q", arriving, got)
		}
	}
}

func TestRevocationsHaveTurnsAndTakeNoMore(t *testing.T) {
	for _, tt := range []struct {
		other, revoke moq.Urgency
		between       int // other calls between two revocations
	}{
		{moq.Routine, moq.Routine, 3},
		{moq.Compromised, moq.Routine, 3},
		{moq.Blackout, moq.Routine, 15},
		{moq.Routine, moq.Compromised, 0},
	} {
		calls := map[string]moq.Priority{
			"r": {Urgency: tt.revoke, Revoke: true, Deadline: time.Unix(1, 0)},
			"o": {Urgency: tt.other, Deadline: time.Unix(2, 0)},
		}
		names := append(slices.Repeat([]string{"r"}, 2), slices.Repeat([]string{"o"}, 2*tt.between+2)...)
		got := order(t, calls, names)
		first := slices.Index(got, "r")
		second := first + 1 + slices.Index(got[first+1:], "r")
		if first != tt.between || second != 2*tt.between+1 {
			t.Errorf("urgency %d among %d: they went as %q", tt.revoke, tt.other, got)
		}
	}
}

func TestWaitEndsWithItsContextAndCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := cf.NewBudget(1, window, 1), &grants{}
		g.call(t, b, routine(), "", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Acquire(ctx, routine()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		begin := time.Now()
		g.call(t, b, routine(), "", 0)
		if took := time.Since(begin); took != window-time.Second {
			t.Errorf("the next call waited %s", took)
		}
		if err := b.Acquire(ctx, routine()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an ended context: got %v", err)
		}
	})
}

func TestUnlimitedBudgetOnlyBoundsRequestsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g, begin := cf.NewBudget(0, 0, 1), &grants{}, time.Now()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { g.call(t, b, routine(), "", time.Second) })
		}
		synctest.Wait()
		g.call(t, b, moq.Priority{}, "blackout", 0)
		if n := g.count(); n != 101 {
			t.Errorf("%d requests under way, want 100 and the urgent one", n)
		}
		wg.Wait()
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("a thousand calls took %s", took)
		}
	})
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for pair := range slices.Chunk(pairs, 2) {
		h.Set(pair[0], pair[1])
	}
	return h
}

// allowed counts the routine calls that b lets through within d.
func allowed(t *testing.T, b *cf.Budget, u moq.Urgency, d time.Duration) (n int) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for b.Acquire(ctx, moq.Priority{Urgency: u}) == nil {
		n++
		b.Release(true)
	}
	return n
}

func TestBudgetFollowsCloudflaresHeaders(t *testing.T) {
	tests := []struct {
		name    string
		header  http.Header
		urgency moq.Urgency
		within  time.Duration
		want    int
	}{
		{"nothing said", header(), moq.Blackout, window - 1, 600},
		{"the policy as configured", header("Ratelimit-Policy", `"default";q=1200;w=300`), moq.Blackout, window - 1, 600},
		{"a larger policy", header("Ratelimit-Policy", `"default";q=9999;w=300`), moq.Blackout, window - 1, 600},
		{"a smaller policy", header("Ratelimit-Policy", `"default";q=100;w=300`), moq.Blackout, window - 1, 50},
		{"a smaller policy in a smaller window", header("Ratelimit-Policy", `"default"; q=20; w=60`), moq.Blackout, window - 1, 50},
		{"the default among other policies", header("Ratelimit-Policy", `"burst";q=1;w=1, "default";q=100;w=300`), moq.Blackout, window - 1, 50},
		{"plenty left", header("Ratelimit", `"default";r=1200;t=300`), moq.Routine, window - 1, 594},
		{"others use it up", header("Ratelimit", `"default";r=40;t=300`), moq.Routine, window - 1, 20},
		{"others use it up, but a blackout goes on", header("Ratelimit", `"default";r=40;t=300`), moq.Blackout, window - 1, 40},
		{"nothing left", header("Ratelimit", `"default";r=0;t=300`), moq.Blackout, window - 1, 0},
		{"nothing left for a while", header("Ratelimit", `"default";r=0;t=60`), moq.Blackout, window - 1, 600},
		{"nothing left, for an unknown time", header("Ratelimit", `"default";r=0`), moq.Blackout, window - 1, 0},
		{"nothing left, for an absurd time", header("Ratelimit", `"default";r=0;t=2000000000`), moq.Blackout, window + 1, 600},
		{"nonsense", header("Ratelimit", `r=x;;;=,"default"`, "Ratelimit-Policy", `"default";q=-5;w=99999999999999`), moq.Blackout, window - 1, 600},
		{"a policy of nothing", header("Ratelimit-Policy", `"default";q=0;w=0`), moq.Blackout, window - 1, 600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := cf.NewBudget(1200, window, 0.5)
				b.Observe(tt.header, http.StatusOK)
				if n := allowed(t, b, tt.urgency, tt.within); n != tt.want {
					t.Errorf("%d calls in %s, want %d", n, tt.within, tt.want)
				}
			})
		})
	}
}

func TestTooManyRequestsStopsThisBudgetOnly(t *testing.T) {
	for _, tt := range []struct {
		retryAfter string
		want       time.Duration
	}{
		{"60", time.Minute}, {"", 5 * time.Minute}, {"soon", 5 * time.Minute}, {"0", time.Second}, {"-1", 5 * time.Minute},
		{"2000000000", 10 * time.Minute}, {"99999999999999999999", 10 * time.Minute}, {"Sat, 01 Jan 2050 00:00:00 GMT", 10 * time.Minute}, {"Sat, 01 Jan 2000 00:02:00 GMT", 2 * time.Minute}, {"Sat, 01 Jan 1999 00:00:00 GMT", time.Second},
	} {
		for _, requests := range []int{0, 1200} {
			synctest.Test(t, func(t *testing.T) { // time begins at 2000-01-01
				b, other, begin := cf.NewBudget(requests, window, 0.5), cf.NewBudget(requests, window, 0.5), time.Now()
				b.Observe(header("Retry-After", tt.retryAfter), http.StatusTooManyRequests)
				(&grants{}).call(t, other, routine(), "", 0)
				if took := time.Since(begin); took != 0 {
					t.Errorf("another budget waited %s", took)
				}
				(&grants{}).call(t, b, moq.Priority{}, "", 0)
				if took := time.Since(begin); took != tt.want {
					t.Errorf("Retry-After %q: waited %s, want %s", tt.retryAfter, took, tt.want)
				}
			})
		}
	}
}

// absurd are answers that ask for far more than anybody should believe.
func absurd() []http.Header {
	return []http.Header{
		header("Retry-After", "2147483647", "Ratelimit", `"default";r=0;t=2147483647`, "Ratelimit-Policy", `"default";q=1;w=2147483647`),
		header("Retry-After", "99999999999999999999", "Ratelimit", `"default";r=0;t=99999999999999999999`),
		header("Retry-After", "-1", "Ratelimit", `"default";r=0;t=-1`, "Ratelimit-Policy", `"default";q=1`),
		header("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT", "Ratelimit", `"default";r=0`),
	}
}

func TestNoAnswerStopsABudgetForMoreThanTenMinutes(t *testing.T) {
	for _, h := range absurd() {
		for _, per := range []time.Duration{time.Second, window, 24 * time.Hour} {
			for _, p := range []moq.Priority{routine(), {Urgency: moq.Blackout}} {
				synctest.Test(t, func(t *testing.T) {
					b, begin := cf.NewBudget(1200, per, 0.5), time.Now()
					for range 3 { // a slot's few calls before the limit was met
						(&grants{}).call(t, b, routine(), "", 0)
					}
					b.Observe(h, http.StatusTooManyRequests)
					(&grants{}).call(t, b, p, "", 0)
					if took := time.Since(begin); took > 10*time.Minute {
						t.Errorf("%v, per %s: a call waited %s", h, per, took)
					}
				})
			}
		}
	}
}

func TestAPolicyCountsUntilTenMinutesAfterTheLastAnswerThatCarriedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, small := cf.NewBudget(1200, window, 0.5), header("Ratelimit-Policy", `"default";q=20;w=300`)
		b.Observe(small, http.StatusOK)
		pass(9 * time.Minute)
		b.Observe(small, http.StatusOK)
		pass(10*time.Minute - 2*time.Second)
		b.Observe(header(), http.StatusOK) // says nothing of a policy
		if n := allowed(t, b, moq.Blackout, time.Second); n != 10 {
			t.Errorf("%d calls while the policy counts, want 10", n)
		}
		pass(time.Second)
		if n := allowed(t, b, moq.Blackout, time.Second); n != 590 {
			t.Errorf("%d calls after it, want the 590 that are left of the configured quota", n)
		}
	})
}

func TestPaceRecoversAtOnceFromAScarceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := cf.NewBudget(600, window, 1)
		b.Observe(header("Ratelimit", `"default";r=10;t=10`), http.StatusOK)
		allowed(t, b, moq.Blackout, 9*time.Second) // each counts as a tenth of a window
		pass(time.Second)
		begin := time.Now()
		(&grants{}).call(t, b, routine(), "", 0)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the first routine call waited %s", took)
		}
	})
}

func TestCallsThatWaitForTheirTurnAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := cf.NewBudget(2, time.Hour, 1)
		c := newClient(t, newSim(cfsim.Options{}).Transport(), func(o *cf.Options) { o.Budget = b })
		allowed(t, b, moq.Routine, time.Minute)
		give := c.Reserve(routine(), func() {})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.List(ctx, routine(), relayID) })
		synctest.Wait()
		if n := c.Waiting(); n != 2 {
			t.Errorf("%d calls wait, want one and a reservation", n)
		}
		give()
		cancel()
		wg.Wait()
		if n := c.Waiting(); n != 0 {
			t.Errorf("%d calls wait still", n)
		}
	})
}

func BenchmarkBudgetWithTensOfThousandsWaiting(b *testing.B) {
	budget := cf.NewBudget(1, time.Hour, 1)
	if err := budget.Acquire(b.Context(), moq.Priority{}); err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 50_000 {
		budget.Reserve(moq.Priority{Urgency: moq.Routine, Deadline: time.Unix(rnd.Int64N(1e9), 0)}, func() {})
	}
	for b.Loop() {
		budget.Reserve(moq.Priority{Urgency: moq.Routine, Deadline: time.Unix(rnd.Int64N(1e9), 0)}, func() {})()
	}
}
