package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// With three tokens a slot waits for a grace, unless its consumers have nothing at all: then it makes a fourth, once.
func TestConsumersWithoutAFileAreServedThoughTheSlotHasThreeTokens(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*world, *daemon) *daemon{
		"the target is deleted": func(w *world, d *daemon) *daemon {
			w.shell("rm -r tokens")
			return d
		},
		"the journal is moved to a machine with empty disks": func(w *world, d *daemon) *daemon {
			d.stop()
			w.shell("rm -r tokens")
			return w.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.configure(settings{Disk: ", probe_interval: 1s"})
			d := w.start()
			for range 3 {
				d.rotatord("rotate", "live").Expect(t, 0)
			}
			d = lose(w, d)
			d.served(0, "live/subscribe")
			d.says("a target is not as it was delivered", `"state":"missing"`, `"repaired":"now"`)
			d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == slot.StateGrace && len(s.OldTokens) == 3 })

			w.shell("rm -r tokens")
			d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.UnhealthyTargets() == 1 })
			d.rotatord("rotate", "--timeout", "2s", "live").Expect(t, 1, "the slot has four tokens, one more than it may have", "rotatord goes on")
			d.rotatord("status", "--check").Expect(t, 1, "is missing", "repaired once there is room for a token", "it rotates when two graces have ended")
			d.rotatord("check", "--online").Expect(t, 0, "warn", "it holds nothing, though rotatord delivered a token there")
			if n := w.sim.Counts()[cfsim.Create]; n != 4 {
				t.Errorf("%d tokens were made", n)
			}
		})
	}
}

// A repair that waits for room is not told to be made now.
func TestAMissingTargetOnAFullRelayIsToldToWaitForRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{Disk: ", probe_interval: 1s"})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	w.fill(harness.RelayID(0), 7)
	w.shell("rm -r tokens")
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.WaitsFor == slot.WaitsForRoom })
	r := d.rotatord("status").Expect(t, 0, "is missing", "repaired once the relay has room for a token", "the relay is full")
	if strings.Contains(r.Out, "repaired now") {
		t.Error("it says that the target is repaired now")
	}
	foreign := w.sim.Tokens(harness.RelayID(0))[0].ID
	w.call(http.MethodDelete, harness.RelayID(0)+"/tokens/"+foreign, "")
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.UnhealthyTargets() == 0 })
}
