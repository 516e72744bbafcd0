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

func createFor(t *testing.T, c *cf.Client, life time.Duration) (moq.Token, error) {
	t.Helper()
	return c.Create(t.Context(), routine(), relayID, moq.NewToken{Operations: moq.Subscribe.Operations(), Expires: time.Now().Add(life)})
}

// What Cloudflare takes stays as it was asked for, since this machine's clock judges when the token is to be replaced.
// What it refuses is asked for by its own clock, unless ours is so far ahead that the token would be near its end at once.
func TestAWrongClockMakesATokenAndNoStorm(t *testing.T) {
	const year = 365 * day
	for _, ahead := range []time.Duration{
		0, -5 * time.Second, -10 * time.Minute, -3 * time.Hour, -40 * day, -200 * day, -800 * day,
		5 * time.Second, 10 * time.Minute, 3 * time.Hour, 40 * day, 800 * day,
	} {
		for _, life := range []time.Duration{year - 2*time.Second, 364 * day, 30 * day, time.Hour} {
			t.Run(fmt.Sprint(ahead, " ", life), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := newSimAhead(ahead)
					made, err := createFor(t, newClient(t, sim.Transport()), life)
					byOurs, want := life-ahead, life
					switch {
					case 0 < byOurs && byOurs <= year:
						want = byOurs
					case -ahead > life/4 && -ahead > year/4:
						want = 0
					case -ahead > life/4 || ahead.Abs() < time.Minute:
						want = year
					}
					if (err == nil) != (want > 0) || err == nil && made.Expires.Sub(made.Created) != want {
						t.Errorf("it lives %s, want %s: %v", made.Expires.Sub(made.Created), want, err)
					}
					if n := len(sim.Calls()); n > 3 {
						t.Errorf("%d calls", n)
					}
				})
			})
		}
	}
}

// Without a Date Cloudflare's own year is taken.
func TestAnExpiryThatStaysRefusedIsLeftToCloudflare(t *testing.T) {
	for name, date := range map[string]func(http.Header){
		"no Date": func(h http.Header) { h.Del("Date") },
		"no date": func(h http.Header) { h.Set("Date", "yesterday") },
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
			made, err := createFor(t, c, 364*day)
			if err != nil || made.Expires.Sub(made.Created) != 365*day {
				t.Errorf("it lives %s, %v", made.Expires.Sub(made.Created), err)
			}
			calls := sim.Calls()
			if last := calls[len(calls)-1]; strings.Contains(last.Body, "expires") || len(calls) > 3 {
				t.Errorf("%d calls, the last with %s", len(calls), last.Body)
			}
		})
	}
}

// The first call takes the turn that was reserved; what is lost at the second is as ambiguous as ever.
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
	_, err := c.Create(t.Context(), p, relayID, moq.NewToken{Operations: moq.Subscribe.Operations(), Expires: time.Now().Add(364 * day)})
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
	if made, err := createFor(t, c, 30*day); err != nil || made.Expires.Sub(made.Created).Round(time.Minute) != 30*day {
		t.Errorf("it lives %s", made.Expires.Sub(made.Created))
	}
}
