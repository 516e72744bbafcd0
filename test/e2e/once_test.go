package e2e

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// In whatever step a single run is told to stop, it says which slot it leaves, and the next run finishes it with the
// token that was minted. Who waits for the end of a run takes 0 for done.
func TestARunOnceThatIsToldToStopSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		of   func(servers) *muteServer
		ones func(*http.Request) bool
	}{
		"before the mint":  {servers.itsVault, all},
		"in the mint":      {servers.itsCloudflare, method("POST")},
		"in a delivery":    {servers.itsVault, vaultCall("PUT POST")},
		"in the read-back": {servers.itsAWS, awsCall("GetSecretValue")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := newMuteWorld(t, "overlap")
			w.Put("config.yaml", strings.Replace(w.Read("config.yaml"), "initial: schedule", "initial: now", 1))
			mute := c.of(s)
			mute.leave(c.ones)
			d := w.launch("run", "--once")
			mute.isAsked(t)
			d.endsUnfinished("live/subscribe (")
			mute.answer()
			w.finishes(t)
		})
	}
	t.Run("while a token settles", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.configure(settings{Defaults: "{schedule: '0 4 * * *', grace: 1h, settle: 0s, sinks: [disk]}"})
		w.rotatord("run", "--once").Expect(t, 0)
		w.Put("config.yaml", strings.Replace(w.Read("config.yaml"), "settle: 0s", "settle: 9s", 1))
		w.Put("tokens/live/subscribe.token", "another's") // which makes a rotation due
		d := w.launch("run", "--once")
		d.until(func() error {
			if w.ownTokens() < 2 {
				return errors.New("nothing is minted")
			}
			return nil
		})
		d.endsUnfinished("live/subscribe (settling)")
	})
}

// endsUnfinished tells a single run to stop, and demands that it names a slot and says how it goes on.
func (d *daemon) endsUnfinished(slot string) {
	d.t.Helper()
	d.Signal(syscall.SIGTERM)
	if code := d.wait(); code != 1 {
		d.t.Errorf("it ends with code %d, and leaves something", code)
	}
	if said := d.logs.tail(1); !containsAll(said, []string{"told to stop before all was done", "1 are unfinished", slot, "run again"}) {
		d.t.Errorf("it says at the end: %s", said)
	}
}

// finishes demands that the next single run brings what the one before has left, with one token alone.
func (w *world) finishes(t *testing.T) {
	t.Helper()
	r := w.rotatord("run", "--once").Expect(t, 0)
	if v := w.token("live/subscribe"); !w.sim.Accepts(harness.RelayID(0), v) {
		t.Errorf("the next run delivers no token that is accepted:\n%s", r.Err)
	}
}
