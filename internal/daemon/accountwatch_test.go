package daemon

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
)

const (
	watchedAccount  = "023e105f4ecef8ad9ca31a8372d0c353"
	watchedRelay    = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	watchedAPIToken = "api-token-0123456789"
)

// watched is one account in a bubble, whose Cloudflare's clock the test moves.
type watched struct {
	sim    *cfsim.Sim
	watch  *accountWatch
	logged *observer.ObservedLogs
	ahead  atomic.Int64 // Cloudflare's clock, of the bubble's
	asks   question
	wakes  atomic.Int64
	answer func(*http.Response)
	client atomic.Pointer[cf.Client]
	stop   context.CancelFunc
	ended  chan struct{}
}

// watching watches an account for as long as the test needs.
func watching(t *testing.T, test func(t *testing.T, w *watched)) {
	synctest.Test(t, func(t *testing.T) {
		w := &watched{asks: question{watchedRelay, true}, answer: func(*http.Response) {}}
		w.sim = cfsim.New(cfsim.Options{Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }})
		w.sim.AddAccount(watchedAccount, cfsim.Both)
		w.sim.AddAPIToken(watchedAPIToken, cfsim.Edit, watchedAccount)
		w.sim.AddRelay(watchedAccount, watchedRelay, "live")
		sees, logged := observer.New(zapcore.InfoLevel)
		w.logged = logged
		begin := time.Now()
		w.watch = &accountWatch{
			lines: logging.New(io.Discard), log: zap.New(sees), metrics: metrics.New(metrics.Options{}),
			elapsed: func() time.Duration { return time.Since(begin) }, seen: map[string]*seenAccount{},
		}
		t.Cleanup(w.watch.lines.Close)
		w.client.Store(w.connect(t))
		w.watch.backends = func() *backends {
			return &backends{byName: map[string]*cf.Client{"main": w.client.Load()}, asks: map[string]question{"main": w.asks}}
		}
		test(t, w)
		if w.stop == nil {
			return
		}
		w.stop()
		synctest.Wait()
		select {
		case <-w.ended:
		default:
			t.Error("it goes on after its end")
		}
	})
}

func (w *watched) connect(t *testing.T) *cf.Client {
	inner := w.sim.Transport()
	c, err := cf.New(cf.Options{
		Account: "main", AccountID: watchedAccount, APIURL: cfsim.BaseURL,
		Token: func() (secret.Value, error) { return secret.New(watchedAPIToken), nil },
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			res, err := inner.RoundTrip(r)
			if err == nil {
				w.answer(res)
			}
			return res, err
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// run watches for a while longer.
func (w *watched) run(t *testing.T, d time.Duration) {
	t.Helper()
	if w.stop == nil {
		var ctx context.Context
		ctx, w.stop = context.WithCancel(t.Context())
		w.ended = make(chan struct{})
		go func() {
			w.watch.watchAll(ctx, func() { w.wakes.Add(1) })
			close(w.ended)
		}()
	}
	wait(t.Context(), d)
	synctest.Wait()
}

// askedAt says when the account was asked, from the start.
func (w *watched) askedAt(op cfsim.Op) (at []time.Duration) {
	for _, c := range w.sim.Calls() {
		if c.Op == op {
			at = append(at, c.At.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
	}
	return at
}

func (w *watched) messages() (all []string) {
	for _, e := range w.logged.All() {
		all = append(all, e.Message)
	}
	return all
}

func TestEachAccountIsAskedForTheTimeUntilItCounts(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.run(t, 10*time.Minute)
		if got, want := w.askedAt(cfsim.List), []time.Duration{0, 10 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("asked at %v, want %v", got, want)
		}
		if w.client.Load().Time().Now.IsZero() || w.wakes.Load() != 1 {
			t.Errorf("Cloudflare's time is %v, and the slots were woken %d times", w.client.Load().Time(), w.wakes.Load())
		}
	})
}

// A replica's accounts live as long as its process, and are watched while it leads.
func TestAnAccountIsWatchedAnewInTheNextTerm(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.run(t, 10*time.Minute)
		w.stop()
		<-w.ended
		before := len(w.sim.Calls())
		w.stop = nil
		w.run(t, 10*time.Minute)
		if after := len(w.sim.Calls()); after == before {
			t.Errorf("it was asked %d times before, and not any more", before)
		}
	})
}

func TestAnAccountThatTellsNoTimeIsAskedEachMinuteAndThatIsToldOnce(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.answer = func(res *http.Response) { res.Header.Del("Date") }
		w.run(t, 4*time.Minute)
		want := []time.Duration{0, 10 * time.Second, 70 * time.Second, 130 * time.Second, 190 * time.Second}
		if got := w.askedAt(cfsim.List); !slices.Equal(got, want) {
			t.Errorf("asked at %v, want %v", got, want)
		}
		if all := w.messages(); len(all) != 1 || !strings.Contains(all[0], "tell no time that can be believed") {
			t.Errorf("logged %q", all)
		}
		if w.wakes.Load() != 0 {
			t.Error("the slots were woken for nothing")
		}
	})
}

// Nothing else may be asked of it for an hour, and its metric would say for as long that it is down.
func TestAnAccountThatWasFoundDownIsAskedUntilItIsUpAgain(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.run(t, 5*time.Minute)
		page := cfsim.Fault{Kind: cfsim.PageBefore, Status: http.StatusBadGateway}
		w.sim.Next(cfsim.List, page, page)
		_, err := w.client.Load().List(t.Context(), moq.Priority{Urgency: moq.Routine}, watchedRelay)
		if err == nil || !w.client.Load().IsDoubted() {
			t.Fatalf("it was not found down: %v", err)
		}
		w.run(t, 5*time.Minute)
		if n := len(w.askedAt(cfsim.List)); w.client.Load().IsDoubted() || n != 2+1+2 {
			t.Errorf("asked %d times; it is still doubted: %v", n, w.client.Load().IsDoubted())
		}
	})
}

func TestAnAccountWithoutOverlapIsAskedForItsRelay(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.sim.AddAccount(watchedAccount, cfsim.Gen1)
		w.asks.lists = false
		w.run(t, time.Minute)
		if n := len(w.askedAt(cfsim.GetRelay)); n != 2 || len(w.askedAt(cfsim.List)) != 0 || w.client.Load().Time().Now.IsZero() {
			t.Errorf("asked for the relay %d times, and Cloudflare's time is %v", n, w.client.Load().Time())
		}
	})
}

// The elapsed-time clock of a paused virtual machine stands still with the wall clock: nothing here shows it.
func TestASampleIsAskedForOnceAnHourAndOneThatDisagreesIsFollowedUp(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.run(t, 30*time.Minute)
		w.ahead.Store(int64(3 * time.Hour))
		w.run(t, time.Hour)
		ahead, _ := offsetOf(w.client.Load().Time())
		if ahead != -3*time.Hour || w.wakes.Load() < 2 {
			t.Errorf("this machine's clock is said to be %s ahead, and the slots were woken %d times", ahead, w.wakes.Load())
		}
	})
}

func TestAnOffsetIsLoggedWhenItCrossesThirtySeconds(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.ahead.Store(int64(-3 * time.Hour))
		w.run(t, 10*time.Minute)
		all := w.messages()
		if len(all) != 1 || !strings.Contains(all[0], "this machine's clock is 3 h ahead of Cloudflare's (2000-01-01 00:00:10Z where Cloudflare's answers say 1999-12-31 21:00:10Z)") {
			t.Errorf("logged %q", all)
		}
		notes := w.watch.notes()
		if len(notes) != 1 || !strings.HasPrefix(notes[0], "account main: this machine's clock is 3 h ahead of Cloudflare's") {
			t.Errorf("notes are %q", notes)
		}
	})
}

func TestAnOffsetIsToldWithWhatGoesByWhichClock(t *testing.T) {
	now := time.Now()
	for want, ofReplicas := range map[string]bool{
		": schedules go by it, tokens by Cloudflare's; set it": false,
		": schedules and tokens go by Cloudflare's; set it":    true,
	} {
		if text := offsetText(time.Hour, now, ofReplicas); !strings.Contains(text, want) {
			t.Errorf("of replicas %t: %q", ofReplicas, text)
		}
	}
}

func TestClocksThatAgreeAreNotTold(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.ahead.Store(int64(-29 * time.Second))
		w.run(t, 10*time.Minute)
		if all, notes := w.messages(), w.watch.notes(); len(all)+len(notes) > 0 {
			t.Errorf("logged %q, notes are %q", all, notes)
		}
	})
}

func TestTheAPITokenIsVerifiedOnceADay(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.sim.SetAPIToken(watchedAPIToken, cfsim.OwnedByAccount, "", time.Now().AddDate(0, 0, 32))
		w.run(t, 73*time.Hour)
		if got := w.askedAt(cfsim.VerifyToken); len(got) != 4 || got[3] < 72*time.Hour {
			t.Errorf("asked at %v, want once a day", got)
		}
		want := "the account's API token expires on 2000-02-02 00:00:00Z: make a new one in Cloudflare's dashboard and put it into its source"
		if all := w.messages(); !slices.Equal(all, []string{want, want}) {
			t.Errorf("logged %q, want twice %q", all, want)
		}
		if notes := w.watch.notes(); !slices.Equal(notes, []string{"account main: " + want}) {
			t.Errorf("notes are %q", notes)
		}
	})
}

func TestAnAPITokenThatIsNotActiveIsToldAndItsSuccessorToo(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.sim.SetAPIToken(watchedAPIToken, cfsim.OwnedByUser, "disabled", time.Time{})
		w.run(t, time.Minute)
		w.sim.SetAPIToken(watchedAPIToken, cfsim.OwnedByUser, "", time.Time{})
		w.client.Store(w.connect(t)) // a reload
		w.run(t, time.Minute)
		all := w.messages()
		if len(all) != 2 || !strings.Contains(all[0], `is "disabled", not active`) || len(w.watch.notes()) > 0 {
			t.Errorf("logged %q, notes are %q", all, w.watch.notes())
		}
	})
}

func TestWhoMayNotVerifyItsTokenIsAskedAgainTheNextDay(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		no := cfsim.Fault{Kind: cfsim.Instead, Status: 403, Body: `{"success":false,"errors":[{"code":10000,"message":"no"}]}`}
		w.sim.Next(cfsim.VerifyToken, no, no)
		w.run(t, 23*time.Hour)
		if got := w.askedAt(cfsim.VerifyToken); len(got) != 2 || len(w.messages()) > 0 {
			t.Errorf("asked at %v, logged %q", got, w.messages())
		}
	})
}

func TestAQuestionIsAskedOfARelayThatOffersLists(t *testing.T) {
	if got := questionsFor(&config.Config{}); len(got) > 0 {
		t.Errorf("without relays there is %v to ask", got)
	}
}

func TestASingleRunWithAClockThatNobodySetLearnsTheTimeFirst(t *testing.T) {
	watching(t, func(t *testing.T, w *watched) {
		w.watch.askTwice(t.Context())
		if got := w.askedAt(cfsim.List); len(got) != 2 || w.client.Load().Time().Now.IsZero() {
			t.Errorf("asked at %v, and Cloudflare's time is %v", got, w.client.Load().Time())
		}
	})
}

func TestAClockBeforeTheBuildIsToldAtTheStart(t *testing.T) {
	for name, builtAt := range map[string]time.Time{"set": time.Now().Add(-time.Hour), "not set": time.Now().Add(time.Hour), "build not known": {}} {
		sees, logged := observer.New(zapcore.InfoLevel)
		d := &daemon{builtAt: builtAt, log: zap.New(sees)}
		if unset := d.warnOfUnsetClock(); unset != (name == "not set") || unset != (logged.Len() == 1) {
			t.Errorf("%s: unset %t, logged %v", name, unset, logged.All())
		}
	}
}
