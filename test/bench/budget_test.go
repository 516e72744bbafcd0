package bench

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const (
	quota   = 1200
	window  = 5 * time.Minute
	urgents = 5
)

// TestOnlyTheBudgetLimitsAFleetThatIsOverdue is in virtual time, in which a sleep
// takes none, so that its bounds hold on every machine: a whole fleet is rotated
// and its former tokens are revoked in at most 5% more time than so many requests
// take; what is urgent is done at once; neither creations nor revocations starve.
func TestOnlyTheBudgetLimitsAFleetThatIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOverdue(t)
		began := time.Now()
		w.becomeDue()
		time.Sleep(window)
		w.checkUrgent()
		for w.sim.Counts()[cfsim.Revoke] < given.overdue {
			time.Sleep(time.Second)
		}
		took, alone := time.Since(began), time.Duration(2*given.overdue)*window/quota
		say("\nBudget: %d slots overdue, %d requests of %d each %s, in virtual time", given.overdue, 2*given.overdue, quota, window)
		say("took %s, where the budget's rate alone allows %s: %.3fx", took, alone, ratio(took, alone))
		if took > alone+alone/20 {
			t.Errorf("took %s, want at most 5%% more than %s", took, alone)
		}
		w.checkTurns(began)
		w.d.stop()
	})
}

// overdueFleet is a fleet whose every slot has a token, with a budget.
type overdueFleet struct {
	*testing.T
	sim     *cfsim.Sim
	d       *daemon
	asked   time.Time            // when what is urgent was asked for
	urgent  []string             // relays of compromised tokens
	expires map[string]time.Time // of the first token, by relay
}

func newOverdue(t *testing.T) *overdueFleet {
	t.Helper()
	sim := harness.NewSim(cfsim.Options{}, given.overdue+urgents)
	w := &overdueFleet{T: t, sim: sim, expires: map[string]time.Time{}}
	w.d = newDaemonAt(t, bubbleClock{time.Now()}, io.Discard, newMetrics(), w.client(0), map[string]sinks.Sink{"memory": newMemory()}, "")
	w.d.configure(w.plans(slot.InitialNow, nil))
	w.d.engine.Quiesce(t.Context())
	for relay := range given.overdue {
		tokens := sim.Tokens(harness.RelayID(relay))
		w.expires[harness.RelayID(relay)] = tokens[len(tokens)-1].Expires
	}
	return w
}

// client is one with so many requests in a window; 0 is no limit.
func (w *overdueFleet) client(requests int) *cf.Client {
	return harness.Must[*cf.Client](w)(cf.New(cf.Options{
		Account: "main", AccountID: harness.AccountID, APIURL: cfsim.BaseURL, HTTP: &http.Client{Transport: w.sim.Transport()},
		Token:  func() (secret.Value, error) { return secret.New(harness.APIToken), nil },
		Budget: cf.NewBudget(requests, window, 1),
	}))
}

// plans are all slots; each token expires at a time of its own, in no order.
func (w *overdueFleet) plans(initial slot.Initial, due slot.Schedule) []*slot.Plan {
	plans := make([]*slot.Plan, given.overdue)
	for i := range plans {
		plans[i] = w.d.plan(i, moq.Subscribe, moq.Overlap, due)
		plans[i].Initial, plans[i].Grace = initial, time.Minute
		plans[i].Lifetime += time.Duration(i*7919%given.overdue) * time.Hour
	}
	return plans
}

// becomeDue makes every slot due, under the budget. Meanwhile some tokens are
// compromised, whose former ones wait for their turn to be revoked, and some
// in_place slots lose the answer of their rotate call.
func (w *overdueFleet) becomeDue() {
	w.sim.SetQuota(harness.APIToken, quota, window)
	time.Sleep(time.Second) // past the instant at which all were first seen
	w.d.client = w.client(quota)
	plans := w.plans(slot.InitialNow, once{time.Now()})
	for i := range urgents {
		plans = append(plans, w.d.plan(given.overdue+i, moq.Subscribe, moq.InPlace, nil))
		w.sim.Next(cfsim.Rotate, cfsim.Fault{Kind: cfsim.LostAfter})
	}
	w.d.configure(plans)
	time.Sleep(time.Minute + time.Second) // the first graces are over
	w.asked = time.Now()
	for _, p := range plans {
		if p.Strategy == moq.InPlace || w.rotatedFirst(p.Key.RelayID) {
			w.compromised(p)
		}
	}
}

// rotatedFirst reports whether the relay is one of the first few that the overdue
// fleet's rotations reached, and notes it.
func (w *overdueFleet) rotatedFirst(relay string) bool {
	for _, c := range w.sim.Calls() {
		if c.Op == cfsim.Create && c.At.After(w.asked.Add(-2*time.Minute)) && c.Relay == relay && len(w.urgent) < urgents {
			w.urgent = append(w.urgent, relay)
			return true
		}
	}
	return false
}

func (w *overdueFleet) compromised(p *slot.Plan) {
	harness.Must[slot.Status](w)(w.d.engine.Rotate(w.Context(), p.Relay, string(p.Key.Type), "test", true))
}

// checkUrgent: a token of each urgent slot was minted within seconds, and one
// whose answer was lost at once again.
func (w *overdueFleet) checkUrgent() {
	w.Helper()
	mints := map[string]int{}
	for _, c := range w.sim.Calls() {
		if late := c.At.Sub(w.asked); (c.Op == cfsim.Create || c.Op == cfsim.Rotate) && late >= 0 && late < 5*time.Second {
			mints[c.Relay]++
		}
	}
	for i, relay := range w.urgent {
		if mints[relay] == 0 {
			w.Errorf("the compromised slot of relay %s had to wait", relay)
		}
		if n := mints[harness.RelayID(given.overdue+i)]; n < 2 {
			w.Errorf("in_place slot %d without a value was tried %d times in 5s", i, n)
		}
	}
}

// checkTurns: the budget was kept, both kinds of request went on all the time,
// and the nearest expiry went first.
func (w *overdueFleet) checkTurns(began time.Time) {
	w.Helper()
	turns := map[int]map[cfsim.Op]int{}
	var last, before time.Time // calls let through at one instant go side by side
	creations, inversions := 0, 0
	for _, c := range w.sim.Calls() {
		if c.At.Before(began) {
			continue
		}
		if c.Status == http.StatusTooManyRequests {
			w.Fatal("the budget was exceeded")
		}
		minute := int(c.At.Sub(began) / time.Minute)
		if turns[minute] == nil {
			turns[minute] = map[cfsim.Op]int{}
		}
		turns[minute][c.Op]++
		if expires, ours := w.expires[c.Relay]; ours && c.Op == cfsim.Create && minute >= 2 {
			creations++
			if expires.Before(before) && c.At.After(last) {
				inversions++
			}
			last, before = c.At, expires
		}
	}
	if inversions > creations/50 {
		w.Errorf("%d of %d creations came before one with a nearer expiry", inversions, creations)
	}
	full := given.overdue / quota * int(window/time.Minute)
	for minute := 2; minute < full; minute++ { // the first grace is over after one
		if n := turns[minute]; n[cfsim.Create] < quota/20 || n[cfsim.Revoke] < quota/50 {
			w.Errorf("minute %d saw %v", minute, n)
		}
	}
}

// bubbleClock is the clock of a bubble of testing/synctest.
type bubbleClock struct{ boot time.Time }

// Now implements rotation.Clock.
func (bubbleClock) Now() time.Time { return time.Now() }

// Elapsed implements rotation.Clock.
func (c bubbleClock) Elapsed() slot.Reading {
	return slot.Reading{Boot: "bubble", Elapsed: time.Since(c.boot)}
}
