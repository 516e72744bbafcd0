package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/test/harness"
)

// Of the 64 files that the process may have open a good part is its own: two hundred
// slots that are due at once take turns, and none fails for want of one.
func TestTwoHundredSlotsAreDeliveredWithFewDescriptors(t *testing.T) {
	t.Parallel()
	const slots = 200
	w, vault := newWorld(t, slots), vaulttest.Start(t)
	w.descriptors = 64
	w.Put("vault-token", vault.RootToken)
	var relays strings.Builder
	for n := range slots {
		_, _ = fmt.Fprintf(&relays, "\n  r%03d: {id: %s, tokens: {subscribe: {}}}", n, harness.RelayID(n))
	}
	w.configure(settings{
		Account: ", rate_limit: {requests: 1000000, per: 5m, share: 1}",
		Sinks: fmt.Sprintf("  vault: {type: vault, address: \"%s\", path: \"moq/{{.Relay}}\", timeout: 1m, auth: {token: {file: %s}}}\n",
			vault.Address, w.Path("vault-token")),
		Defaults: `{schedule: "@every 12h", initial: now, sinks: [disk, vault]}`, Relays: relays.String(),
	})
	d := w.start()
	d.until(func() error {
		_, metrics, err := d.get("/metrics")
		for _, sink := range []string{`sink="disk",sink_type="file"`, `sink="vault",sink_type="vault"`} {
			if done := fmt.Sprintf("rotatord_sink_deliveries_total{result=%q,%s} %d\n", "success", sink, slots); !strings.Contains(metrics, done) {
				return fmt.Errorf("not all is delivered to %s yet (%v)", sink, err)
			}
		}
		return nil
	})
	if strings.Contains(d.logs.String(), "too many open files") {
		t.Error("a call failed for want of a descriptor")
	}
}
