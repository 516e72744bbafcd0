package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.rotatord("rotate", "live").Expect(t, 0)
	d.call("POST", harness.RelayID(0)+"/tokens", `{"operations": ["subscribe"], "label": "rotatord-backup-06h0hf40gsxekh7fpwvgkbq0n0"}`)

	d.rotatord("tokens", "live").Expect(t, 0, "OWNER", "live/subscribe", "others", "rotatord backup", "disk", "publish+subscribe")
	var tokens []adminapi.Token
	r := d.rotatord("tokens", "live", "-o", "json").Expect(t, 0)
	if err := json.Unmarshal([]byte(r.Out), &tokens); err != nil {
		t.Fatal(err)
	}
	owners := map[adminapi.Owner]int{}
	for _, tok := range tokens {
		owners[tok.Owner]++
		served := tok.TokenID == d.slot("live/subscribe").TokenID
		if served != (len(tok.ServedBy) == 1) || served && tok.ServedBy[0] != "disk" {
			t.Errorf("token %s is served by %v", tok.TokenID, tok.ServedBy)
		}
	}
	if owners[adminapi.Ours] != 2 || owners[adminapi.Others] != 2 || owners[adminapi.OtherInstance] != 1 {
		t.Errorf("owners %v", owners)
	}
	d.rotatord("tokens", "nowhere").Expect(t, 1, "nowhere", "no such relay is configured")
	d.rotatord("tokens", "prune", "live").Expect(t, 0, "the relay holds no former token of this installation")
}

// TestLostJournal is what a person goes through who has lost the state folder.
func TestLostJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	before := w.start()
	before.rotatord("rotate", "live").Expect(t, 0)
	before.rotatord("rotate", "live").Expect(t, 0)
	old := w.sim.Tokens(harness.RelayID(0))[2] // after the two that came with the relay
	served := before.slot("live/subscribe").TokenID
	if code := before.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if err := os.RemoveAll(w.Path("state")); err != nil {
		t.Fatal(err)
	}
	d := w.start()
	t.Run("its former tokens are reported", func(t *testing.T) {
		r := d.rotatord("tokens", "live").Expect(t, 0)
		if n := strings.Count(r.Out, "former token of this installation"); n != 2 {
			t.Errorf("%d former tokens:\n%s", n, r.Out)
		}
	})
	t.Run("what a sink holds blocks the rotation, and it says so", func(t *testing.T) {
		d.rotatord("rotate", "live").Expect(t, 1, "preflight", "the target already holds something rotatord did not write",
			"set `existing: adopt` on sink disk to take it over")
		if n := d.sim.Counts()[cfsim.Create]; n != 2 {
			t.Errorf("%d tokens were made, want the 2 from before", n)
		}
	})
	t.Run("prune revokes only what no sink holds", func(t *testing.T) {
		d.rotatord("tokens", "prune", "live").Expect(t, 2, "1 token will be kept", "nothing was revoked", "--yes")
		d.rotatord("tokens", "prune", "live", "--yes").Expect(t, 0, "1 token will be kept", "revoked "+old.ID)
		if d.sim.Accepts(harness.RelayID(0), old.Value) || !d.sim.Accepts(harness.RelayID(0), d.token("live/subscribe")) {
			t.Error("the old token is accepted, or the served one is not")
		}
	})
	t.Run("adopting the target recovers", func(t *testing.T) {
		w.configure(settings{Disk: ", existing: adopt"})
		d.Signal(syscall.SIGHUP)
		d.says("configuration reloaded")
		d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Requested.IsZero() && s.TokenID != "" }) // the wish from before
		d.rotatord("tokens", "prune", "live", "--yes").Expect(t, 0, "revoked "+served)
		if n := len(d.sim.Tokens(harness.RelayID(0))); n != 3 {
			t.Errorf("the relay holds %d tokens, want the new one and the two that came with it", n)
		}
		d.served(0, "live/subscribe")
	})
}
