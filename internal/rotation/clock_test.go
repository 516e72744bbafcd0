package rotation

import (
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// telling is an account whose answers tell the time.
type telling struct {
	Cloudflare
	time moq.CloudflareTime
}

func (a telling) Time() moq.CloudflareTime { return a.time }

type oneAccount struct{ Cloudflare }

func (a oneAccount) Account(string) (Cloudflare, bool) { return a.Cloudflare, true }

func TestAClockBeforeTheBuildIsUnsetUntilCloudflareTellsTheTime(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	e := w.engine
	known := telling{w.relay, moq.CloudflareTime{Now: e.now().Add(time.Hour)}}
	for name, c := range map[string]struct {
		builtAt time.Time
		account Cloudflare
		unset   bool
	}{
		"nobody knows the build's date":  {time.Time{}, w.relay, false},
		"built before":                   {e.now().Add(-time.Hour), w.relay, false},
		"built after":                    {e.now().Add(time.Hour), w.relay, true},
		"built after, and the time told": {e.now().Add(time.Hour), known, false},
	} {
		t.Run(name, func(t *testing.T) {
			e.BuiltAt = c.builtAt
			e.backends.Store(&backends{accounts: oneAccount{c.account}})
			w := e.slots.allWorkers()[0]
			var v slot.View
			w.locked(func() { v = w.view() })
			if v.ClockUnset != c.unset || v.Cloudflare != c.account.Time() {
				t.Errorf("the clock is unset: %t, Cloudflare's time %+v", v.ClockUnset, v.Cloudflare)
			}
		})
	}
}

func TestASteppedClockHasEverySlotLookedAtNow(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(2 * time.Minute)
	e := w.engine
	e.activeSince.Store(int64(slot.TimestampOf(e.now().Add(3 * time.Hour)))) // the clock was so far ahead at the start
	one := e.slots.allWorkers()[0]
	one.locked(func() { one.nextCheck = slot.TimestampOf(e.now().Add(3 * time.Hour)) })
	e.ClockStepped()
	w.run(time.Second)
	if next := one.nextCheck.Time(); next.After(e.now().Add(w.plan.ProbeInterval)) {
		t.Errorf("the target was not looked at: the next look is at %s, and it is %s", next, e.now())
	}
	if since := slot.Timestamp(e.activeSince.Load()).Time(); since.After(e.now()) {
		t.Errorf("instants until %s count as missed, and it is %s", since, e.now())
	}
}

func TestDurationsGoByElapsedTime(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.start()
	w.run(time.Minute)
	w.during(readCall, func() { // it is read back, and takes ten seconds
		w.pass(10 * time.Second)
		w.step(-time.Hour)
	})
	w.ask(false)
	ev := w.disk.events[len(w.disk.events)-1]
	if ev.Kind != slot.EventRotated || ev.Took != 10*time.Second {
		t.Errorf("%s took %s, want 10s", ev.Kind, ev.Took)
	}
	w.step(-time.Hour)
	w.run(25 * time.Hour)
	for _, lag := range w.stats.lag {
		if lag < 0 {
			t.Errorf("a lag of %s", lag)
		}
	}
	for _, c := range []struct{ took, readBack, want time.Duration }{
		{10 * time.Second, time.Second, 9 * time.Second},
		{10 * time.Second, -time.Hour, 10 * time.Second},
		{10 * time.Second, time.Hour, 10 * time.Second},
	} {
		if got := blackoutOf(c.took, c.readBack); got != c.want {
			t.Errorf("a rotation of %s that was read back for %s: a blackout of %s, want %s", c.took, c.readBack, got, c.want)
		}
	}
}

// What is due goes by Cloudflare's time there, and is told as our clock shows it.
func TestTheLagOfAReplicaWhoseClockIsWrongIsOfOneClock(t *testing.T) {
	for _, ahead := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		w := newWorld(t, moq.Overlap, 1)
		w.withReplicas([2]time.Duration{ahead, ahead})
		w.start()
		w.run(24*time.Hour - time.Minute)
		w.sinks["sink0"].down = true
		w.run(10 * time.Minute)
		w.sinks["sink0"].down = false
		w.engine.Retry([]string{"sink0"})
		w.run(time.Minute)
		if lag := w.stats.lag; len(lag) != 1 || lag[0] < 9*time.Minute || lag[0] > 10*time.Minute {
			t.Errorf("with a clock that is %s ahead the lags are %s", ahead, lag)
		}
	}
}

func TestThatATokenWasListedBeforeAStepOfTheClockSaysNothingAfterIt(t *testing.T) {
	w := newWorld(t, moq.Overlap, 2)
	w.start()
	w.run(24*time.Hour - time.Second)
	w.during(writeCall, func() { w.sinks["sink1"].down = true })
	w.run(10 * time.Second)
	w.step(-5 * time.Minute)
	w.run(4*time.Minute + 40*time.Second) // the clock shows the time again at which the token was minted
	w.relay.change(slices.DeleteFunc(slices.Clone(w.relay.tokens), func(t moq.Token) bool { return t.Value.Reveal() == "value-2" }))
	w.sinks["sink1"].down = false
	w.engine.Retry([]string{"sink1"})
	w.run(2 * time.Minute)
	w.mustBeSound() // what another hand revoked is not delivered
	w.mustHold("value-3")
}
