package cf_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
)

// answerTimes is an account whose answers tell a time that the test sets, ahead of the bubble's, or whatever
// change makes of their headers.
type answerTimes struct {
	client   *cf.Client
	ahead    time.Duration
	change   func(http.Header)
	takes    time.Duration
	warnings []string
}

func newAnswerTimes(t *testing.T) *answerTimes {
	a := &answerTimes{change: func(http.Header) {}}
	sim := newSim(cfsim.Options{Now: func() time.Time { return time.Now().Add(a.ahead) }})
	inner := sim.Transport()
	a.client = newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		pass(a.takes)
		res, err := inner.RoundTrip(r)
		if err == nil {
			a.change(res.Header)
		}
		return res, err
	}), func(o *cf.Options) { o.Warn = func(text string) { a.warnings = append(a.warnings, text) } })
	return a
}

// list has an answer come, after a while.
func (a *answerTimes) list(t *testing.T, after time.Duration) {
	t.Helper()
	pass(after)
	if _, err := a.client.List(t.Context(), routine(), relayID); err != nil {
		t.Fatal(err)
	}
}

// wantAhead checks how far Cloudflare's time is ahead of the bubble's.
func (a *answerTimes) wantAhead(t *testing.T, want time.Duration) {
	t.Helper()
	if got := time.Until(a.client.Time().Now); got != want {
		t.Errorf("Cloudflare's time is %s ahead, want %s", got, want)
	}
}

func (a *answerTimes) wantUnknown(t *testing.T) {
	t.Helper()
	if got := a.client.Time(); got != (moq.CloudflareTime{}) {
		t.Errorf("Cloudflare's time counts: %+v", got)
	}
}

func (a *answerTimes) wantWarnings(t *testing.T, n int, parts ...string) {
	t.Helper()
	if len(a.warnings) != n || n > 0 && !containsAll(a.warnings[n-1], parts) {
		t.Errorf("warned of %q, want %d, the last with %q", a.warnings, n, parts)
	}
}

func containsAll(text string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}

func TestCloudflaresTimeCountsOnceTwoAnswersAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.ahead = 3 * time.Hour
		a.wantUnknown(t)
		a.list(t, 0)
		a.wantUnknown(t)
		a.list(t, 9*time.Second)
		a.wantUnknown(t)
		a.list(t, time.Second)
		a.wantAhead(t, 3*time.Hour)
		a.wantWarnings(t, 0)
	})
}

func TestCloudflaresTimeRunsOnByElapsedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.ahead = -40 * day
		a.list(t, 0)
		a.list(t, 10*time.Second)
		pass(5 * time.Hour)
		a.wantAhead(t, -40*day)
		if age := a.client.Time().SampleAge; age != 5*time.Hour {
			t.Errorf("the last sample is said to be %s old", age)
		}
		a.list(t, 0)
		if age := a.client.Time().SampleAge; age != 0 {
			t.Errorf("a new sample is said to be %s old", age)
		}
	})
}

func TestWhatMayBeOldTellsNoTime(t *testing.T) {
	for name, spoil := range map[string]func(*answerTimes){
		"kept by a cache":  func(a *answerTimes) { a.change = func(h http.Header) { h.Set("Age", "0") } },
		"long on its way":  func(a *answerTimes) { a.takes = 5*time.Second + 1 },
		"without a Date":   func(a *answerTimes) { a.change = func(h http.Header) { h.Del("Date") } },
		"with another one": func(a *answerTimes) { a.change = func(h http.Header) { h.Set("Date", "yesterday") } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAnswerTimes(t)
				spoil(a)
				for range 5 {
					a.list(t, time.Minute)
				}
				a.wantUnknown(t)
			})
		})
	}
}

// It would be believed at once if each answer were compared with the one before.
func TestATimeThatStandsStillNeverCounts(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 4 * time.Second, 10 * time.Second, time.Minute} {
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAnswerTimes(t)
				still := time.Now().UTC().Format(http.TimeFormat)
				a.change = func(h http.Header) { h.Set("Date", still) }
				for range 20 {
					a.list(t, every)
				}
				a.wantUnknown(t)
				if len(a.warnings) != 1 {
					t.Errorf("warned of %q", a.warnings)
				}
			})
		})
	}
}

func TestATimeThatBeginsToStandStillIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.list(t, 0)
		a.list(t, 10*time.Second)
		still := time.Now().UTC().Format(http.TimeFormat)
		a.change = func(h http.Header) { h.Set("Date", still) }
		for range 100 {
			a.list(t, 4*time.Second)
		}
		a.wantAhead(t, 0)
		a.wantWarnings(t, 1, "account main", "it is not believed", "2000-01-01T00:00:10Z", "2000-01-01T00:00:18Z")
	})
}

func TestAnAnswerThatJumpsIsDroppedAndToldOncePerEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.list(t, 0)
		a.list(t, 10*time.Second)
		for episode := 1; episode <= 3; episode++ {
			a.ahead = time.Duration(episode) * time.Hour
			for range 3 {
				a.list(t, time.Minute)
			}
			a.wantAhead(t, 0)
			a.wantWarnings(t, episode, "it is not believed")
			a.ahead = 0
			a.list(t, time.Minute)
		}
	})
}

// The machine stood still, and its elapsed-time clock with it, as a paused virtual machine's does.
func TestLaterAnswersThatAgreeForLongEnoughAreRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.list(t, 0)
		a.list(t, 10*time.Second)
		a.ahead = 3 * time.Hour
		for range 10 {
			a.list(t, time.Minute)
			a.wantAhead(t, 0)
		}
		a.list(t, time.Minute)
		a.wantAhead(t, 3*time.Hour)
		a.wantWarnings(t, 2, "they are believed")
		a.list(t, time.Minute)
		a.wantAhead(t, 3*time.Hour)
		a.wantWarnings(t, 2, "they are believed")
	})
}

func TestASlowDriftIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.list(t, 0)
		a.list(t, 10*time.Second)
		for range 48 {
			a.ahead += time.Second
			a.list(t, time.Hour)
		}
		a.wantAhead(t, 48*time.Second)
		a.wantWarnings(t, 0)
	})
}

func TestWhenATokenWasCreatedWinsOverTheDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.ahead = time.Hour
		a.change = func(h http.Header) { h.Set("Date", time.Now().UTC().Format(http.TimeFormat)) }
		for range 2 {
			if _, err := createFor(t, a.client, day); err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Second)
		}
		a.wantAhead(t, time.Hour)
	})
}

func TestARefusedExpiryNamesTheDifferenceOfTheClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswerTimes(t)
		a.ahead = -400 * day
		_, err := createFor(t, a.client, 30*day)
		wantText(t, err, "set this machine's clock: it says 2000-01-01T00:00:00Z, 9600h0m0s ahead of Cloudflare's, which says 1998-11-27T00:00:00Z")
	})
}
