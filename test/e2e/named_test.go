package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/test/harness"
)

const studios = "{live: {id: %s, tokens: {studio-a: {operations: [publish]}, studio-b: {operations: [publish]}, viewer: {operations: [subscribe, 'publish:stats']}}}}"

func TestNamedTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	relays := fmt.Sprintf(studios, harness.RelayID(0))
	w.configure(settings{Relays: relays})
	d := w.start()
	t.Run("are made with their operations, each for its own client", func(t *testing.T) {
		d.rotatord("rotate", "live").Expect(t, 0, "live/studio-a: rotated", "live/studio-b: rotated", "live/viewer: rotated")
		for name, want := range map[string][]string{"studio-a": {"publish"}, "studio-b": {"publish"}, "viewer": {"publish:stats", "subscribe"}} {
			i := slices.IndexFunc(d.sim.Tokens(harness.RelayID(0)), func(tok cfsim.Token) bool { return tok.Value == d.token("live/"+name) })
			if i < 0 || !slices.Equal(d.sim.Tokens(harness.RelayID(0))[i].Operations, want) {
				t.Errorf("%s holds no token that may %v", name, want)
			}
		}
		d.rotatord("status").Expect(t, 0, "live/studio-a", "live/viewer")
		d.rotatord("status", "-o", "json").Expect(t, 0, `"publish:stats"`)
		d.rotatord("tokens", "live").Expect(t, 0, "publish:stats+subscribe", "live/studio-b")
	})
	t.Run("are no business of another that is compromised", func(t *testing.T) {
		before := d.token("live/studio-a")
		d.rotatord("rotate", "--compromised", "live/studio-a").Expect(t, 0, "rotated and verified")
		if d.sim.Accepts(harness.RelayID(0), before) || !d.sim.Accepts(harness.RelayID(0), d.token("live/studio-b")) {
			t.Error("the compromised token is accepted, or the other studio's is not")
		}
	})
	t.Run("wait for a place on a full relay", func(t *testing.T) {
		d.fill(harness.RelayID(0), 5)
		d.rotatord("rotate", "--timeout", "3s", "live/studio-b").Expect(t, 1, "the relay is full")
		s := d.slot("live/studio-b")
		if s.State != "idle" || s.ConsecutiveFailures > 0 || !strings.Contains(s.Note, "live/studio-a") || !strings.Contains(s.Note, "no label") {
			t.Errorf("the slot is %s after %d failures: %s", s.State, s.ConsecutiveFailures, s.Note)
		}
		d.rotatord("status", "--check").Expect(t, 0, "live/studio-b: the relay is full")
	})
	t.Run("are known after their relay was removed, and can be pruned", func(t *testing.T) {
		w.configure(settings{Relays: fmt.Sprintf("{other: {id: %s, tokens: {subscribe: {}}}}", harness.RelayID(1))})
		d.reload()
		d.rotatord("history", "live/studio-a").Expect(t, 0, "rotated", "live/studio-a")
		d.rotatord("tokens", harness.RelayID(0)).Expect(t, 0, "live/viewer, no longer configured")
		d.rotatord("history", "live/studio-z").Expect(t, 1, "no such token")
		d.rotatord("tokens", "prune", "live", "--yes").Expect(t, 0, "revoked ")
		for _, tok := range d.sim.Tokens(harness.RelayID(0)) {
			if tok.Label != "" {
				t.Errorf("the relay still holds %s", tok.Label)
			}
		}
	})
}
