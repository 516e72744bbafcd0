package cf_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

func TestTheRelayIsAskedForOnceTheLastAnswerIsAMinuteOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(cfsim.Options{})
		c := newClient(t, sim.Transport())
		asked := 0
		prove := func(when string, asks bool) {
			t.Helper()
			if err := c.Prove(t.Context(), routine(), relayID); err != nil {
				t.Fatal(err)
			}
			if n := sim.Counts()[cfsim.GetRelay]; (n > asked) != asks {
				t.Errorf("%s: the relay was asked for: %t", when, n > asked)
			}
			asked = sim.Counts()[cfsim.GetRelay]
		}
		prove("at the start", true)
		prove("at once again", false)
		pass(50 * time.Second)
		prove("soon after", false)
		pass(10*time.Second + 1)
		prove("after a minute", true)
		pass(time.Hour)
		for _, o := range operations[:4] {
			pass(2 * time.Minute)
			if err := o.run(t, c); err != nil {
				t.Fatal(err)
			}
			prove("after "+o.name, false)
		}
	})
}

func TestWhatIsNoAnswerOfCloudflaresIsNoProof(t *testing.T) {
	for name, f := range map[string]cfsim.Fault{
		"a page":      {Kind: cfsim.PageAfter, Status: 200},
		"no relay":    {Kind: cfsim.Instead, Status: 404, Body: `{"success":false,"errors":[{"code":21007,"message":"relay not found"}]}`},
		"an error":    {Kind: cfsim.ErrorBefore},
		"lost":        {Kind: cfsim.LostAfter},
		"cut":         {Kind: cfsim.Truncated},
		"not a relay": {Kind: cfsim.Instead, Body: `{"success":true,"errors":[],"messages":[],"result":{"uid":"x"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(cfsim.Options{})
			sim.Next(cfsim.GetRelay, f, f)
			c := newClient(t, sim.Transport())
			for range 2 {
				if err := c.Prove(t.Context(), routine(), relayID); err == nil {
					t.Error("it counts as a proof")
				}
			}
			_, err := c.Rotate(t.Context(), moq.Priority{Proven: true}, relayID, moq.Subscribe)
			wantFault(t, err, fault.Retry, fault.Timeout)
			if sim.Counts()[cfsim.Rotate] != 0 {
				t.Error("the rotate call was sent")
			}
			if err := c.Prove(t.Context(), routine(), relayID); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAPageSinceTheLastAnswerIsAReasonToAskAgain(t *testing.T) {
	sim := newSim(cfsim.Options{})
	c := newClient(t, sim.Transport())
	if err := operations[1].run(t, c); err != nil {
		t.Fatal(err)
	}
	sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.PageBefore})
	_ = operations[1].run(t, c)
	if err := c.Prove(t.Context(), routine(), relayID); err != nil || sim.Counts()[cfsim.GetRelay] != 1 {
		t.Errorf("the relay was asked for %d times: %v", sim.Counts()[cfsim.GetRelay], err)
	}
}

// A call whose turn in the budget comes a minute after its proof is not sent.
func TestAProofThatGrewOldInTheBudgetIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, budget := newSim(cfsim.Options{}), cf.NewBudget(0, 0, 1)
		c := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = budget })
		if err := c.Prove(t.Context(), routine(), relayID); err != nil {
			t.Fatal(err)
		}
		budget.Observe(http.Header{"Retry-After": {"90"}}, http.StatusTooManyRequests)
		first := moq.Priority{Urgency: moq.Blackout, Proven: true}
		_, err := c.Rotate(t.Context(), first, relayID, moq.Subscribe)
		wantFault(t, err, fault.Retry, fault.Timeout)
		if sim.Counts()[cfsim.Rotate] != 0 || !fault.Of(err).Unsent {
			t.Fatalf("it was sent, or its error says so: %v", err)
		}
		if err := c.Prove(t.Context(), routine(), relayID); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Rotate(t.Context(), first, relayID, moq.Subscribe); err != nil {
			t.Error(err)
		}
	})
}

func TestManyWhoNeedAProofAtOnceShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(cfsim.Options{Latency: time.Second})
		c := newClient(t, sim.Transport())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := c.Prove(t.Context(), routine(), relayID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := sim.Counts()[cfsim.GetRelay]; n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestWhoSharesACallThatFailsAsksForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(cfsim.Options{})
		sim.Next(cfsim.GetRelay, cfsim.Fault{Kind: cfsim.Slow, Delay: time.Minute}, cfsim.Fault{})
		c := newClient(t, sim.Transport())
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = c.Prove(t.Context(), routine(), relayID) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		synctest.Wait()
		if err := c.Prove(ctx, routine(), relayID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whoever gives up gets %v", err)
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("got %v and %v, want one failure", errs[0], errs[1])
		}
	})
}

func TestAMoreUrgentProofDoesNotWaitForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(cfsim.Options{})
		sim.Next(cfsim.GetRelay, cfsim.Fault{Kind: cfsim.Slow, Delay: 20 * time.Second})
		c := newClient(t, sim.Transport())
		go func() { _ = c.Prove(t.Context(), routine(), relayID) }()
		synctest.Wait()
		begin := time.Now()
		if err := c.Prove(t.Context(), moq.Priority{Urgency: moq.Compromised}, relayID); err != nil || time.Since(begin) > 0 {
			t.Errorf("it took %s: %v", time.Since(begin), err)
		}
		pass(time.Minute)
	})
}

// Each slot reserves its turn, then sees that the account answers, then rotates, as the
// heart does: however small the budget is, nobody waits for each other, and no proof
// grows old.
func TestProofsFitIntoTheSmallestBudgetBesideTheirReservations(t *testing.T) {
	for quota := 2; quota <= 12; quota++ {
		synctest.Test(t, func(t *testing.T) {
			sim, budget := newSim(cfsim.Options{Latency: time.Second}), cf.NewBudget(quota, window, 1)
			sim.SetQuota(apiToken, quota, window)
			c := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = budget })
			var wg sync.WaitGroup
			for range 3 * quota {
				wg.Go(func() { rotateFirst(t, c) })
			}
			wg.Wait()
			if n := sim.Counts()[cfsim.Rotate]; n != 3*quota {
				t.Errorf("%d of %d rotate calls with a quota of %d", n, 3*quota, quota)
			}
		})
	}
}

func rotateFirst(t *testing.T, c *cf.Client) {
	granted := make(chan struct{})
	c.Reserve(routine(), func() { close(granted) })
	<-granted
	if err := c.Prove(t.Context(), routine(), relayID); err != nil {
		t.Error(err)
	}
	p := moq.Priority{Urgency: moq.Blackout, Reserved: true, Proven: true}
	if _, err := c.Rotate(t.Context(), p, relayID, moq.Subscribe); err != nil {
		t.Error(err)
	}
}
