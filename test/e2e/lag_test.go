package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// A list that lags does not show the token of a value that a kill left behind: the value is delivered all the same.
func TestAValueIsDeliveredAfterAKillThoughListsLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	former := d.token("live/subscribe")
	w.sim.LagLists(20 * time.Second)
	w.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.Slow, Delay: time.Second})
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.until(func() error {
		if n := w.sim.Counts()[cfsim.Create]; n != 2 {
			return fmt.Errorf("%d tokens were made", n)
		}
		return nil
	})
	w.shell("mv tokens aside && touch tokens") // nothing can be delivered
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Phase == slot.Minted && s.Failure != nil })
	d.Kill()
	w.shell("rm tokens && mv aside tokens")

	d = w.start()
	d.until(func() error {
		if d.token("live/subscribe") == former {
			return errors.New("the former token is still served")
		}
		return nil
	})
	if served := d.token("live/subscribe"); !w.sim.Accepts(harness.RelayID(0), served) {
		t.Error("what is served is not accepted")
	}
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == slot.StateGrace })
	if n := w.sim.Counts()[cfsim.Create]; n != 2 {
		t.Errorf("%d tokens were made", n)
	}
}
