package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const hourly = `{schedule: "0 * * * *", initial: now, lifetime: 2h, grace: 10m, settle: 0s, sinks: [disk]}`

// untilTimeIsKnown waits until the daemon knows Cloudflare's time.
func (d *daemon) untilTimeIsKnown() {
	d.t.Helper()
	d.until(func() error {
		s, err := d.scrape()
		if err != nil {
			return err
		}
		if _, known, _ := s.value("clock_offset_seconds account=main"); !known {
			return errors.New("Cloudflare's time is not known")
		}
		return nil
	})
}

// mostCalls bounds the creations that are tried while the time is not known, spaced by the backoff; most are refused.
const mostCalls = 10

// keepsServing checks that what the target holds is accepted, and that few calls were made for it.
func (d *daemon) keepsServing() {
	d.t.Helper()
	if value := d.token("live/subscribe"); !d.sim.Accepts(harness.RelayID(0), value) {
		d.t.Error("what is served is not accepted any more")
	}
	if n := d.sim.Counts()[cfsim.Create]; n > mostCalls {
		d.t.Errorf("%d calls were made for a token, want %d at most", n, mostCalls)
	}
}

func TestAClockThatIsWrongAtBootRevokesNothingThatIsServed(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"three hours ahead": 3 * time.Hour, "400 days ahead": 400 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, clock := newShiftedWorld(t, 1)
			w.configure(settings{Defaults: hourly})
			d := w.start()
			d.served(0, "live/subscribe")
			d.stop()
			clock.SetAhead(ahead)
			d = w.start()
			d.untilTimeIsKnown()
			d.served(0, "live/subscribe")
			d.keepsServing()
		})
	}
}

func TestAFirstStartFarInTheFutureMakesAToken(t *testing.T) {
	t.Parallel()
	w, clock := newShiftedWorld(t, 1)
	clock.SetAhead(400 * 24 * time.Hour)
	w.configure(settings{Defaults: hourly})
	d := w.start()
	d.untilTimeIsKnown()
	d.served(0, "live/subscribe")
	d.keepsServing()
}

func TestAClockThatIsSetAheadAndRightAgainLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w, clock := newShiftedWorld(t, 1)
	w.configure(settings{Defaults: `{schedule: "*/5 * * * * *", catch_up: false, initial: now, lifetime: 2h, grace: 1s, settle: 0s, sinks: [disk]}`})
	d := w.start()
	d.untilTimeIsKnown()
	clock.SetAhead(time.Hour)
	d.says("somebody set this machine's clock")
	clock.SetAhead(0)
	d.predict(expectations{"clock_steps_total": is(2)})
	d.served(0, "live/subscribe")
	minted := d.sim.Counts()[cfsim.Create]
	d.until(func() error {
		if d.sim.Counts()[cfsim.Create] == minted {
			return errors.New("the schedule does not run any more")
		}
		return nil
	})
}

// What is put off is put off by elapsed time: not for the hour that the clock was set back.
func TestAnHourBackHoldsUpNobody(t *testing.T) {
	t.Parallel()
	refused := func(s slot.Status) bool { return s.ConsecutiveFailures > 1 }
	well := func(s slot.Status) bool { return s.Failure == nil && s.Requested.IsZero() && s.Phase == "" }
	t.Run("in_place: consumers who are locked out", func(t *testing.T) {
		t.Parallel()
		w, clock := newShiftedWorld(t, 1)
		w.configure(settings{Defaults: inPlaceByHand})
		d := w.start()
		d.rotatord("rotate", "live").Expect(t, 0)
		d.untilTimeIsKnown()
		w.sim.Next(cfsim.Rotate, cfsim.Fault{Kind: cfsim.Slow, Delay: time.Second})
		d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
		d.until(func() error {
			if n := w.sim.Counts()[cfsim.Rotate]; n != 2 {
				return fmt.Errorf("%d rotate calls", n)
			}
			return nil
		})
		w.shell("mv tokens aside && touch tokens") // nothing can be delivered
		d.untilSlot("live/subscribe", func(s slot.Status) bool { return refused(s) && s.State == slot.StateBlackout })
		clock.SetAhead(-time.Hour)
		w.shell("rm tokens && mv aside tokens")
		d.untilSlot("live/subscribe", well)
		d.served(0, "live/subscribe")
		d.says("somebody set this machine's clock")
		if n := w.sim.Counts()[cfsim.Rotate]; n != 2 {
			t.Errorf("%d rotate calls: the value at hand was not delivered", n)
		}
		d.predict(expectations{"blackout_seconds_count": is(2), "blackout_seconds_sum": between(0, 120)})
	})
	t.Run("overlap: a slot that fails", func(t *testing.T) {
		t.Parallel()
		w, clock := newShiftedWorld(t, 1)
		w.configure(settings{})
		d := w.start()
		d.rotatord("rotate", "live").Expect(t, 0)
		d.untilTimeIsKnown()
		w.shell("mv tokens aside && touch tokens")
		d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
		d.untilSlot("live/subscribe", refused)
		clock.SetAhead(-time.Hour)
		w.shell("rm tokens && mv aside tokens")
		d.untilSlot("live/subscribe", well)
		d.served(0, "live/subscribe")
		d.says("a target is well again", `"lasted":"`)
		if strings.Contains(d.logs.String(), `"lasted":"-`) {
			t.Error("it lasted for less than no time")
		}
	})
}
