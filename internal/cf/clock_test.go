package cf_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

const day = 24 * time.Hour

// newSimAhead has a clock of its own, so much ahead of ours.
func newSimAhead(ahead time.Duration) *cfsim.Sim {
	return newSim(cfsim.Options{Now: func() time.Time { return time.Now().Add(ahead) }})
}

func createFor(t *testing.T, c *cf.Client, life time.Duration) moq.Token {
	t.Helper()
	made, err := c.Create(t.Context(), routine(), relayID, moq.NewToken{Type: moq.Subscribe, Expires: time.Now().Add(life)})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Whatever this machine's clock says, a token is made at once, and once Cloudflare's clock
// is known it lives as long as it was asked for.
func TestAWrongClockMakesNoTokenImpossible(t *testing.T) {
	for _, ahead := range []time.Duration{
		0, -5 * time.Second, -30 * time.Second, -10 * time.Minute, -3 * time.Hour, -40 * day, -800 * day,
		5 * time.Second, 10 * time.Minute, 3 * time.Hour, 40 * day, 800 * day,
	} {
		for _, life := range []time.Duration{365*day - 2*time.Second, 364 * day, 30 * day, time.Hour} {
			t.Run(fmt.Sprint(ahead, " ", life), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := newSimAhead(ahead)
					c := newClient(t, sim.Transport())
					createFor(t, c, life)
					calls := len(sim.Calls())
					<-time.After(20 * day)
					made := createFor(t, c, life)
					got, off := made.Expires.Sub(made.Created), time.Minute+time.Second
					if life+off > 365*day && got == 365*day {
						off = 365*day - life // left to Cloudflare
					}
					if d := got - life; d.Abs() > off {
						t.Errorf("a token for %s lives %s", life, got)
					}
					if n := len(sim.Calls()) - calls; n > 2 || calls > 3 {
						t.Errorf("%d calls, then %d", calls, n)
					}
				})
			})
		}
	}
}

// Without a Date, or with one that does not help, Cloudflare's own year is taken.
func TestAnExpiryThatStaysRefusedIsLeftToCloudflare(t *testing.T) {
	for name, date := range map[string]func(http.Header){
		"no Date":    func(h http.Header) { h.Del("Date") },
		"no date":    func(h http.Header) { h.Set("Date", "yesterday") },
		"wrong Date": func(h http.Header) { h.Set("Date", time.Now().Add(-7000*day).UTC().Format(http.TimeFormat)) },
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSimAhead(-2 * day)
			inner := sim.Transport()
			c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				res, err := inner.RoundTrip(r)
				if err == nil {
					date(res.Header)
				}
				return res, err
			}))
			made := createFor(t, c, 364*day)
			if made.Expires.Sub(made.Created) != 365*day {
				t.Errorf("it lives %s", made.Expires.Sub(made.Created))
			}
			calls := sim.Calls()
			if last := calls[len(calls)-1]; strings.Contains(last.Body, "expires") || len(calls) > 3 {
				t.Errorf("%d calls, the last with %s", len(calls), last.Body)
			}
		})
	}
}

// The first call takes the place that was reserved; what is lost at the second is as ambiguous as ever.
func TestAnExpiryIsRefusedWithinTheBudgetAndInAnOutage(t *testing.T) {
	sim := newSimAhead(-2 * day)
	budget := cf.NewBudget(100, time.Minute, 1)
	c := newClient(t, sim.Transport(), func(o *cf.Options) { o.Budget = budget })
	granted := make(chan struct{})
	c.Reserve(routine(), func() { close(granted) })
	<-granted
	sim.Next(cfsim.Create, cfsim.Fault{}, cfsim.Fault{Kind: cfsim.LostAfter})
	p := routine()
	p.Reserved = true
	_, err := c.Create(t.Context(), p, relayID, moq.NewToken{Type: moq.Subscribe, Expires: time.Now().Add(364 * day)})
	wantFault(t, err, fault.Ambiguous, fault.Unreachable)
	if n := len(sim.Calls()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

// What is no answer of Cloudflare's has its own idea of the time.
func TestTheClockOfAProxyIsNotBelieved(t *testing.T) {
	sim := newSimAhead(0)
	sim.Next(cfsim.List, cfsim.Fault{Kind: cfsim.PageBefore})
	inner := sim.Transport()
	c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := inner.RoundTrip(r)
		if err == nil && r.Method == http.MethodGet {
			res.Header.Set("Date", time.Now().Add(100*day).UTC().Format(http.TimeFormat))
		}
		return res, err
	}))
	if _, err := c.List(t.Context(), routine(), relayID); err == nil {
		t.Fatal("the page was taken for a list")
	}
	if made := createFor(t, c, 30*day); made.Expires.Sub(made.Created).Round(time.Minute) != 30*day {
		t.Errorf("it lives %s", made.Expires.Sub(made.Created))
	}
}
