package e2e

import (
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/test/harness"
)

// Another rotatord of our name (the old machine was left on) mints a token of a relay of ours.
func TestAnotherRotatordOfOurNameIsToldEverywhereAndLeftAlone(t *testing.T) {
	t.Parallel()
	w, clock, cloudflares := newTimedWorld(t)
	w.configure(settings{Relays: "{live: {id: " + harness.RelayID(0) + ", retire: matching, tokens: {subscribe: {grace: 0s}}}}"})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.untilTimeIsKnown()
	const later = 2 * time.Minute // after our start
	clock.SetAhead(later)
	clock.Leap(later)
	cloudflares.setAhead(later)
	w.call(http.MethodPost, harness.RelayID(0)+"/tokens", `{"operations": ["subscribe"], "label": "rotatord-default-06h0hf40gsxekh7fpwvgkbq0n0"}`)
	id := newest(w.sim.Tokens(harness.RelayID(0))).ID

	d.rotatord("tokens", "live").Expect(t, 0, id, "another rotatord of this name")
	const told = "another rotatord runs under the name"
	d.says(told, "stop one, or give each an `instance` of its own", `"instance":"default"`, id)
	d.rotatord("status").Expect(t, 0, "live/subscribe: "+told, id)
	d.rotatord("check", "--online").Expect(t, 0, "warn  "+told+` "default", too`, id, "others hold 2 tokens")
	for _, page := range []string{"/", "/slots/live/subscribe", "/api/v1/slots"} {
		if _, body, err := d.get(page); err != nil || !containsAll(html.UnescapeString(body), []string{told, id}) {
			t.Errorf("%s does not tell it: %v\n%s", page, err, body)
		}
	}
	d.predict(expectations{"foreign_instance_tokens account=main": is(1)})

	d.rotatord("rotate", "live").Expect(t, 0) // and whatever `retire: matching` takes over
	d.rotatord("tokens", "prune", "live", "--yes").Expect(t, 0, "no former token of this installation")
	if !holds(w.sim.Tokens(harness.RelayID(0)), id) {
		t.Fatal("its token was revoked")
	}
	if n := strings.Count(d.logs.String(), told); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	d.rotatord("tokens", "prune", "live", "--token-id", id, "--yes").Expect(t, 0, "revoked "+id)
	d.predict(expectations{"foreign_instance_tokens account=main": is(0)})
	if out := d.rotatord("status").Expect(t, 0).Out; strings.Contains(out, told) {
		t.Errorf("it is told though its token is gone:\n%s", out)
	}
}

func newest(tokens []cfsim.Token) cfsim.Token { return tokens[len(tokens)-1] }

func holds(tokens []cfsim.Token, id string) bool {
	for _, t := range tokens {
		if t.ID == id {
			return true
		}
	}
	return false
}
