package cf_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/moq"
)

func TestATermBeginsWithoutABurstAndLeavesATenthToWhatIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g, begin := cf.NewBudget(600, window, 1), &grants{}, time.Now()
		b.BeginTerm()
		var wg sync.WaitGroup
		for range 900 {
			wg.Go(func() { g.call(t, b, routine(), "routine", 0) })
		}
		pass(window - time.Nanosecond)
		if first, all := g.most(10*time.Second), g.count(); first > 20 || all < 530 || all > 540 {
			t.Errorf("%d calls at most within ten seconds, and %d in the first window; want 18 and 540", first, all)
		}
		for _, p := range []moq.Priority{{Urgency: moq.Blackout}, {Urgency: moq.Compromised}} {
			asked := time.Now()
			g.call(t, b, p, "urgent", 0)
			if took := time.Since(asked); took > 0 {
				t.Errorf("a call of urgency %d waited %s for the part that is kept for it", p.Urgency, took)
			}
		}
		pass(time.Second)
		if n := g.count(); n < 590 {
			t.Errorf("%d calls once the first window was over: there is no burst", n)
		}
		wg.Wait()
		if took := time.Since(begin); took > 2*window {
			t.Errorf("900 calls took %s", took)
		}
	})
}

func TestInATermsFirstWindowRevocationsMayUseWhatIsKeptBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := cf.NewBudget(100, window, 1), &grants{}
		b.BeginTerm()
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { g.call(t, b, moq.Priority{Urgency: moq.Routine, Revoke: true}, "revoke", 0) })
		}
		pass(window - time.Nanosecond)
		if n := g.count(); n <= 90 || n > 100 {
			t.Errorf("%d revocations in the first window", n)
		}
		wg.Wait()
	})
}

func TestABlockThatAnEarlierProcessWasToldIsObeyedWithinBounds(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		-time.Minute: 0, 0: 0, 3 * time.Minute: 3 * time.Minute, 10 * time.Minute: 10 * time.Minute,
		10*time.Minute + 1: 0, 1000 * time.Hour: 0, // a clock was ahead
	} {
		synctest.Test(t, func(t *testing.T) {
			b, begin := cf.NewBudget(0, window, 1), time.Now()
			b.Block(begin.Add(left).Round(0))
			(&grants{}).call(t, b, moq.Priority{Urgency: moq.Blackout}, "", 0)
			if took := time.Since(begin); took != want {
				t.Errorf("blocked for %s more: a call waited %s, want %s", left, took, want)
			}
			b.Observe(header("Retry-After", "60"), http.StatusTooManyRequests)
			b.Block(time.Now().Add(time.Second))
			begin = time.Now()
			(&grants{}).call(t, b, moq.Priority{Urgency: moq.Blackout}, "", 0)
			if took := time.Since(begin); took != time.Minute {
				t.Errorf("an answer's block was cut to %s", took)
			}
		})
	}
}
