package cf_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
)

func TestReservedPlaceIsUsedWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g, held := cf.NewBudget(100, window, 1), &grants{}, &grants{}
		for range 40 {
			b.Reserve(routine(), func() { held.add("") })
		}
		pass(window / 2)
		if n := held.count(); n != 40 {
			t.Fatalf("%d of 40 turns were granted", n)
		}
		if n := allowed(t, b, moq.Compromised, time.Second); n != 59 { // everything else that may go
			t.Errorf("%d calls went besides, want 59", n)
		}
		begin := time.Now()
		for range 40 {
			g.call(t, b, moq.Priority{Urgency: moq.Routine, Reserved: true}, "", 0)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the reserved calls waited %s", took)
		}
	})
}

func TestReservationsLeaveRoomForTheLooksThatGoWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, held := cf.NewBudget(100, window, 1), &grants{}
		for range 100 {
			b.Reserve(routine(), func() { held.add("") })
		}
		pass(3 * window)
		if n := held.count(); n != 49 {
			t.Errorf("%d turns of 100 are held, want 49", n)
		}
	})
}

func TestReservationIsNeverADeadlock(t *testing.T) {
	for quota := 1; quota <= 12; quota++ {
		synctest.Test(t, func(t *testing.T) {
			b, g := cf.NewBudget(quota, time.Minute, 1), &grants{}
			var wg sync.WaitGroup
			for range 3 * quota { // each looks at its relay while it holds a turn
				wg.Go(func() {
					granted := make(chan struct{})
					b.Reserve(routine(), func() { close(granted) })
					<-granted
					g.call(t, b, routine(), "look", time.Second)
					g.call(t, b, moq.Priority{Urgency: moq.Routine, Reserved: true}, "mint", time.Second)
					g.call(t, b, moq.Priority{Urgency: moq.Routine, Revoke: true}, "revoke", time.Second)
				})
			}
			wg.Wait()
			if n := g.most(time.Minute); n > quota {
				t.Errorf("%d calls in one window, want %d at most", n, quota)
			}
		})
	}
}

func TestCancelledReservationHandsItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := cf.NewBudget(50, window, 1)
		for range 1000 {
			cancel := b.Reserve(routine(), func() {})
			synctest.Wait()
			cancel()
			cancel()
		}
		if n := allowed(t, b, moq.Routine, window-1); n != 50 {
			t.Errorf("%d calls are left of 50", n)
		}
		late := &grants{}
		b.Reserve(routine(), func() { late.add("") })()
		pass(2 * window)
		if late.count() > 0 {
			t.Error("a reservation was granted after it was given up")
		}
	})
}

func TestRefusedCallGivesItsReservedPlaceUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := cf.NewBudget(2, time.Hour, 1)
		c := newClient(t, newSim(cfsim.Options{}).Transport(), func(o *cf.Options) { o.Budget = b })
		for range 10 {
			c.Reserve(routine(), func() {})
			synctest.Wait()
			if _, err := c.Rotate(t.Context(), moq.Priority{Urgency: moq.Routine, Reserved: true}, "x", moq.Subscribe); err == nil {
				t.Fatal("no error")
			}
		}
		if n := allowed(t, b, moq.Routine, time.Minute); n != 2 {
			t.Errorf("%d calls are left of 2", n)
		}
	})
}

// TestWholeRotationsKeepToTheBudget runs reserve, list, create and revoke against a
// Cloudflare that blocks whoever goes over its quota.
func TestWholeRotationsKeepToTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(cfsim.Options{Latency: 80 * time.Millisecond})
		sim.SetQuota(apiToken, 1200, window)
		c := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = cf.NewBudget(1200, window, 1) })
		var wg sync.WaitGroup
		begin := time.Now()
		for i := range 1000 {
			relay := fmt.Sprintf("%032x", i)
			sim.AddRelay(accountID, relay, "r")
			wg.Go(func() { rotateWhole(t, c, relay) })
		}
		wg.Wait()
		// 3,000 calls are two and a half windows' worth.
		if took, ideal := time.Since(begin), window*5/2; took > ideal*105/100 {
			t.Errorf("took %s, the budget alone allows %s", took, ideal)
		}
		for _, call := range sim.Calls() {
			if call.Status == http.StatusTooManyRequests {
				t.Fatalf("went over the quota at %s", call.At.Sub(begin))
			}
		}
	})
}

func rotateWhole(t *testing.T, c *cf.Client, relay string) {
	granted := make(chan struct{})
	c.Reserve(routine(), func() { close(granted) })
	<-granted
	list, err := c.List(t.Context(), routine(), relay)
	if err != nil || len(list.Tokens) != 2 {
		t.Errorf("list: %v", err)
		return
	}
	p := moq.Priority{Urgency: moq.Routine, Reserved: true}
	if _, err := c.Create(t.Context(), p, relay, moq.NewToken{Operations: moq.Subscribe.Operations()}); err != nil {
		t.Errorf("create: %v", err)
	}
	if err := c.Revoke(t.Context(), routine(), relay, list.Tokens[1].ID); err != nil {
		t.Errorf("revoke: %v", err)
	}
}
