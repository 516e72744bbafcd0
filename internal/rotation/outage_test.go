package rotation

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

const day = 24 * time.Hour

// afterADay has the fleet's first rotation go well, and the second meet the trouble that begins.
func (f *fleet) afterADay(trouble func()) (since time.Time) {
	f.start()
	<-time.After(day - time.Minute)
	synctest.Wait()
	if f.lastRotation(f.born.Add(-1)).IsZero() {
		f.t.Fatal("the first rotation did not go well")
	}
	trouble()
	<-time.After(2 * time.Minute)
	synctest.Wait()
	return f.born.Add(day - time.Second)
}

// settled waits until all slots are right, and says when the last was.
func (f *fleet) settled(since time.Time) time.Time {
	for range 1200 {
		if at := f.lastRotation(since); !at.IsZero() {
			return at
		}
		<-time.After(time.Second)
		synctest.Wait()
	}
	f.t.Fatal("a slot is not right 20 minutes after the outage")
	return time.Time{}
}

func TestWhenAnOutageEndsAllWhoWaitedAreRightWithinSeconds(t *testing.T) {
	lost := fault.Newf(fault.Ambiguous, fault.Timeout, "mint", "it", "no answer")
	refused := fault.Newf(fault.Permanent, fault.Unauthorized, "log in", "it", "403")
	for name, c := range map[string]struct {
		strategy moq.Strategy
		account  bool
		after    int // calls that go well in the outage's beginning
		trouble  error
	}{
		"a sink, before the mint":           {moq.Overlap, false, 0, fault.Newf(fault.Retry, fault.Unreachable, "", "", "down")},
		"a sink, after it":                  {moq.Overlap, false, 40, busyFor(0)},
		"a sink, in a blackout":             {moq.InPlace, false, 40, busyFor(0)},
		"a sink that refuses the login":     {moq.Overlap, false, 0, refused},
		"a sink that limits its calls":      {moq.Overlap, false, 0, fault.Newf(fault.Retry, fault.RateLimited, "", "", "429")},
		"an account":                        {moq.Overlap, true, 0, busyFor(0)},
		"an account that answers nothing":   {moq.Overlap, true, 0, lost},
		"an account in a blackout":          {moq.InPlace, true, 0, lost},
		"an account that refuses the token": {moq.InPlace, true, 0, refused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, c.strategy, 40, "vault")
				defer f.kill()
				down := f.stores["vault"]
				if c.account {
					down = f.account
				}
				since := f.afterADay(func() { down.fails(c.after, c.trouble) })
				if !f.lastRotation(since).IsZero() {
					t.Fatal("the outage stopped nobody")
				}
				<-time.After(time.Minute)
				down.fails(0, nil)
				last := f.settled(since)
				if took := last.Sub(down.noticed()); took > 11*time.Second {
					t.Errorf("the last slot was right %s after the first call that went well", took)
				}
			})
		})
	}
}

// failures counts the failed attempts of the present runs of failures.
func (f *fleet) failures() (n int) {
	f.engine.Statuses(func(s *slot.Status) bool { n += s.ConsecutiveFailures; return true })
	return n
}

// waitingFleet has 40 slots that wait for five minutes, as the sink asked.
func waitingFleet(t *testing.T) (f *fleet, sink *store, since time.Time) {
	f = newFleet(t, moq.Overlap, 40, "vault")
	sink = f.stores["vault"]
	since = f.afterADay(func() { sink.fails(0, busyFor(math.MaxInt32*time.Second)) })
	return f, sink, since
}

// goodAnswers are calls of somebody else's at a sink that go well, before any slot
// that they let go has run.
func (f *fleet) goodAnswers(n int, sink string) {
	for range n {
		_ = f.engine.outages.noteCallOutcome(upstream{name: sink}, f.engine.outages.elapsed(), nil)
	}
	synctest.Wait()
}

func TestOneGoesAheadAndTheRestFollowOnlyIfItsCallGoesWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, sink, _ := waitingFleet(t)
		defer f.kill()
		for i, want := range []int{1, 1, 40} { // the third time another answer is good before the one's is bad
			<-time.After(retryGap)
			now := time.Now()
			f.goodAnswers(1+i/2, "vault")
			if n := len(sink.calls(now)); n != want {
				t.Errorf("round %d: %d slots tried at once, want %d", i, n, want)
			}
		}
	})
}

// A store that limits its calls answers some well and others not.
func TestEachGoodAnswerOfAStoreThatLimitsItsCallsLetsOneSlotGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 40, "vault")
		defer f.kill()
		limited := fault.Newf(fault.Retry, fault.RateLimited, "probe", "it", "429")
		limited.After = time.Hour
		f.afterADay(func() { f.stores["vault"].fails(0, limited) })
		now := time.Now()
		f.goodAnswers(5, "vault")
		if n := len(f.stores["vault"].calls(now)); n != 5 {
			t.Errorf("5 good answers let %d slots go", n)
		}
	})
}

func TestNoSlotIsMovedUpTwiceWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, sink, _ := waitingFleet(t)
		defer f.kill()
		begin := time.Now()
		for range 400 {
			f.goodAnswers(1, "vault")
			<-time.After(100 * time.Millisecond)
		}
		tried := 0
		for target, at := range sink.calls(begin) {
			tried += len(at)
			for i := 1; i < len(at); i++ {
				if gap := at[i].Sub(at[i-1]); gap < retryGap {
					t.Errorf("%s was tried again after %s", target, gap)
				}
			}
		}
		if tried < 80 {
			t.Errorf("only %d tries: the test shows nothing", tried)
		}
	})
}

func TestAPermanentErrorKeepsItsTimeWhenTheSinkIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 10, "vault")
		defer f.kill()
		denied := fault.Newf(fault.Permanent, fault.Forbidden, "probe", "it", "403")
		denied.After = time.Hour // so that nobody tries by himself
		f.afterADay(func() { f.stores["vault"].fails(0, denied) })
		now := time.Now()
		for range 5 {
			f.goodAnswers(1, "vault")
			<-time.After(time.Second)
		}
		if n := len(f.stores["vault"].calls(now)); n != 0 {
			t.Errorf("%d slots tried again", n)
		}
	})
}

// Else slots that cannot mint or write would drive each other on, each with the good
// answers to the other's reads.
func TestReadsThatGoWellFreeNobodyWhoCannotWriteOrMint(t *testing.T) {
	for _, account := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, moq.Overlap, 40, "vault")
			defer f.kill()
			store, trouble := f.stores["vault"], fault.Newf(fault.Ambiguous, fault.ServerError, "mint", "it", "500")
			if account {
				store = f.account // a lost mint is looked for before the next
			}
			store.reads = true
			since := f.afterADay(func() { store.fails(0, trouble) })
			<-time.After(10 * time.Minute) // each is in the longest backoff now: some two minutes and a half
			before := f.failures()
			<-time.After(10 * time.Minute)
			if n := f.failures() - before; n < 40 || n > 40*7 {
				t.Errorf("%d failed attempts of 40 slots in 10 minutes", n)
			}
			store.fails(0, nil)
			if took := f.settled(since).Sub(store.noticed()); took > 11*time.Second {
				t.Errorf("the last slot was right after %s", took)
			}
		})
	}
}

// A call that hung through an outage's end says nothing of the time after it.
func TestAnAnswerThatWasOvertakenByAGoodOneIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, sink, since := waitingFleet(t)
		defer f.kill()
		sink.fails(0, nil)
		began := f.engine.outages.elapsed()
		<-time.After(time.Second)
		f.goodAnswers(2, "vault")
		f.settled(since)
		s := f.engine.slots.workerOf(f.plans[0].Key)
		hung := fault.Newf(fault.Retry, fault.Timeout, "write", "it", "no answer")
		hung.After = time.Hour // so that it is no short backoff by chance
		s.noteFailure(slot.StageDeliver, f.engine.outages.noteCallOutcome(upstream{name: "vault"}, began, hung))
		if left := time.Until(s.record.Failure.Next); left > retryGap {
			t.Errorf("the next attempt is %s away", left)
		}
	})
}

// Proof that calls reach an account may be a minute old.
func TestProofOfAnAccountIsNoSignThatItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 10, "vault")
		defer f.kill()
		gone := fault.Newf(fault.Retry, fault.Unreachable, "create", "it", "gone")
		gone.After = time.Hour
		f.afterADay(func() { f.account.fails(0, gone) })
		account, err := f.engine.slots.workerOf(f.plans[0].Key).account()
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		f.account.fails(0, nil)
		if err := account.Prove(t.Context(), moq.Priority{}, f.plans[0].Key.RelayID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if tried := f.triedSince(now); len(tried) != 0 {
			t.Errorf("%v tried", tried)
		}
	})
}

func TestAReloadFreesOnlyWhatItChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 10, "changed", "kept")
		defer f.kill()
		denied := fault.Newf(fault.Permanent, fault.Forbidden, "probe", "it", "403")
		denied.After = time.Hour
		f.stores["spare"] = newStore() // of the last slot, which waits for the other's sake
		f.plans[9].Targets = append(f.plans[9].Targets, slot.Target{Sink: "spare", Target: "t", Location: "fake://spare/t", Required: true})
		f.afterADay(func() { f.stores["changed"].fails(0, denied); f.stores["kept"].fails(0, busyFor(time.Hour)) })
		now := time.Now()
		f.configure()
		<-time.After(time.Second)
		if tried := f.triedSince(now); len(tried) != 0 {
			t.Errorf("%v tried though nothing was changed", tried)
		}
		reopened := newStore()
		reopened.held = f.stores["changed"].held
		f.stores["changed"], f.stores["spare"] = reopened, newStore()
		p := *f.plans[1]
		p.Labels = map[string]string{"its": "own"}
		f.plans[1] = &p
		f.configure()
		<-time.After(time.Second)
		// The even ones deliver to the sink that was opened anew; of one the plan changed.
		if tried, want := f.triedSince(now), []string{"relay0", "relay1", "relay2", "relay4", "relay6", "relay8"}; !slices.Equal(tried, want) {
			t.Errorf("%v tried, want %v", tried, want)
		}
	})
}

// triedSince are the relays whose slots made an attempt, well or not.
func (f *fleet) triedSince(t time.Time) (relays []string) {
	f.engine.Statuses(func(s *slot.Status) bool {
		if s.Failure == nil || !s.Failure.At.Before(t) {
			relays = append(relays, s.Relay)
		}
		return true
	})
	return relays
}

func TestAfterARestartOneTriesAheadForWhatTheJournalSaysIsFailing(t *testing.T) {
	for _, well := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f, sink, since := waitingFleet(t)
			f.kill()
			if well {
				sink.fails(0, nil)
			}
			now := time.Now()
			f.start()
			defer f.kill()
			if well {
				if took := f.settled(since).Sub(now); took > 11*time.Second {
					t.Errorf("the last slot was right %s after the restart", took)
				}
				return
			}
			<-time.After(time.Minute)
			if tried := f.triedSince(now); len(tried) != 1 {
				t.Errorf("%v tried a sink that is still down, want one of 40", tried)
			}
		})
	}
}

// A sink or Cloudflare may ask for any wait; it is obeyed up to the longest backoff.
func TestNobodyIsLockedOutByWhatAnAnswerAsksFor(t *testing.T) {
	limited := fault.Newf(fault.Retry, fault.RateLimited, "call", "it", "429")
	limited.After = math.MaxInt64
	busy := busyFor(math.MaxInt64)
	for name, c := range map[string]struct {
		strategy moq.Strategy
		account  bool
		after    int
		trouble  error
		want     time.Duration
	}{
		"a sink":                            {moq.Overlap, false, 0, busy, 5 * time.Minute},
		"a sink's limit":                    {moq.Overlap, false, 0, limited, 5 * time.Minute},
		"a sink in a blackout":              {moq.InPlace, false, 1, busy, 10 * time.Second},
		"a sink's limit in a blackout":      {moq.InPlace, false, 1, limited, 10 * time.Second},
		"Cloudflare":                        {moq.Overlap, true, 0, busy, 5 * time.Minute},
		"Cloudflare's limit":                {moq.Overlap, true, 0, limited, 10 * time.Minute},
		"Cloudflare's limit, for in_place":  {moq.InPlace, true, 0, limited, 10 * time.Minute},
		"Cloudflare, while it may lock out": {moq.InPlace, true, 1, busyWithout(fault.Ambiguous), 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, c.strategy, 1, "vault")
				store := f.stores["vault"]
				if c.account {
					store = f.account
				}
				since := f.afterADay(func() { store.fails(c.after, c.trouble) })
				failed := f.engine.slots.workerOf(f.plans[0].Key).record.Failure
				if failed == nil || failed.Next.Sub(failed.At) != c.want {
					t.Fatalf("it failed so: %+v; want the next attempt %s later", failed, c.want)
				}
				f.kill()
				f.postpone()
				store.fails(0, nil)
				now := time.Now()
				f.start()
				defer f.kill()
				if took := f.settled(since).Sub(now); took > time.Second {
					t.Errorf("after a restart it was right after %s", took)
				}
			})
		})
	}
}

func busyWithout(class fault.Class) error {
	e := fault.Newf(class, fault.ServerError, "call", "it", "500")
	e.After = math.MaxInt64
	return e
}

// postpone puts the next attempts that are journalled years ahead, for a reason that
// nobody's return ends.
func (f *fleet) postpone() {
	_ = f.Load(f.t.Context(), func(r *slot.Record) error {
		r.Failure.Next, r.Failure.Reason = r.Failure.Next.Add(3*365*day), string(fault.Invalid)
		return f.Save(f.t.Context(), r)
	})
}

func TestACallThatWasNeverSentShowsNoOutage(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.start()
	for name, p := range map[string]upstream{"an account": {account: true, name: testAccount, writes: true}, "a sink": {name: "sink0"}} {
		unsent := fault.Newf(fault.Retry, fault.Timeout, "rotate", "", "no turn in time")
		unsent.Unsent = true
		err := w.engine.outages.noteCallOutcome(p, w.engine.outages.elapsed(), unsent)
		if blames := blamesOf(err); len(blames) != 1 || blames[0].down {
			t.Errorf("%s is taken to be down: %+v", name, blames)
		}
	}
}
