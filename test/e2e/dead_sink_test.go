package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const aDay = 24 * time.Hour

// A required Vault is sealed, and nobody mends it for weeks: the others' tokens are renewed all the same, one by one,
// and what it may serve is left alone until it has expired.
func TestARequiredSinkThatIsDeadForWeeksLetsNobodyElsesTokenExpire(t *testing.T) {
	t.Parallel()
	w, clock, cloudflares := newTimedWorld(t)
	vault := vaulttest.Start(t)
	w.Put("vault-token", vault.RootToken)
	w.configure(settings{
		Sinks: fmt.Sprintf("  store: {type: vault, address: \"%s\", path: \"moq/{{.Relay}}\", auth: {token: {file: %s}}}\n",
			vault.Address, w.Path("vault-token")),
		Defaults: "{schedule: manual, initial: now, lifetime: 30d, grace: 1h, sinks: [disk, store]}",
	})
	d := w.start()
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return !s.LastRotation.IsZero() })
	stored := readVault(t, vault, "secret/data/moq/live")
	vault.Seal(t)
	served := d.token("live/subscribe")
	for _, day := range []int{21, 42, 63} {
		d.stop()
		clock.SetAhead(time.Duration(day) * aDay)
		cloudflares.setAhead(time.Duration(day) * aDay)
		d = w.start()
		d.untilTimeIsKnown()
		d.until(func() error {
			if d.token("live/subscribe") == served {
				return fmt.Errorf("on day %d the former token is served", day)
			}
			return nil
		})
		served = d.served(0, "live/subscribe")
		if accepted := w.sim.Accepts(harness.RelayID(0), stored); accepted != (day < 30) {
			t.Errorf("on day %d the token that the sealed Vault holds is accepted: %t", day, accepted)
		}
		d.rotatord("status").Expect(t, 0, "store lacks the latest token, which the others have", "sealed", "disk ok")
	}
	vault.Unseal(t)
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Failure == nil && s.Phase == "" })
	if value := readVault(t, vault, "secret/data/moq/live"); value != served {
		t.Error("the Vault was not given the latest token")
	}
	if out := d.rotatord("status").Expect(t, 0).Out; strings.Contains(out, "lacks") || strings.Contains(out, "failed") {
		t.Errorf("it is told that something is wrong:\n%s", out)
	}
	if most := w.mostHeld(); most > 4 {
		t.Errorf("%d tokens of ours at once", most)
	}
}
