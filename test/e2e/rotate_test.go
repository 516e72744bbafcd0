package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// One slot whose sink is dead holds up the answer about no other, and hides nothing.
func TestRotatingAllFollowsEachSlotToItsOwnEnd(t *testing.T) {
	t.Parallel()
	const slots = 5
	w := newWorld(t, slots)
	relays := make([]string, slots)
	for i := range relays {
		sinks := "[disk]"
		if i == 1 {
			sinks = "[disk, dead]"
		}
		relays[i] = fmt.Sprintf("r%d: {id: %s, sinks: %s, tokens: {subscribe: {}}}", i, harness.RelayID(i), sinks)
	}
	w.configure(settings{
		Sinks:  "  dead: {type: vault, address: \"http://127.0.0.1:1\", path: \"{{.Relay}}\", auth: {token: {env: CLOUDFLARE_API_TOKEN}}}\n",
		Relays: "{" + strings.Join(relays, ", ") + "}",
	})
	d := w.start()
	r := d.rotatord("rotate", "--all").Expect(t, 1, "4 of 5 slots rotated and verified", "r1/subscribe: 2 attempts failed, the last at step preflight: ")
	for i := range relays {
		if verified := strings.Contains(r.Out, fmt.Sprintf("r%d/subscribe: rotated and verified", i)); verified != (i != 1) {
			t.Errorf("r%d is told to be verified: %v", i, verified)
		}
	}
	if strings.Contains(r.Out+r.Err, "not verified in time") {
		t.Error("a slot was not followed to its own end")
	}
	d.rotatord("rotate", "--all", "--compromised").Expect(t, 1, "4 of 5 slots rotated and verified",
		"connections that are already open stay open", "r1/subscribe: ")
}
