package e2e

import (
	"errors"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
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
