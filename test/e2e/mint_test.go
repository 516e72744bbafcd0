package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const mintedSlot = "live/subscribe"

// newWorldWith is a world with one relay of a Cloudflare with options.
func newWorldWith(t *testing.T, o cfsim.Options) *world {
	t.Helper()
	w := newWorld(t, 0)
	w.sim = harness.NewSim(o, 1)
	w.api = serveCloudflare(t, w.sim)
	return w
}

// settling asks for a rotation, and waits until its token settles.
func (d *daemon) settling() {
	d.t.Helper()
	d.rotatord("rotate", "--no-wait", mintedSlot).Expect(d.t, 0)
	d.untilSlot(mintedSlot, func(s slot.Status) bool { return s.State == slot.StateSettling })
}

// Relays refuse a new token for two seconds. No consumer is given it before, whoever ends the daemon meanwhile; where
// none has a token, it is delivered at once.
func TestANewTokenIsDeliveredOnceRelaysKnowIt(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, cfsim.Options{Unknown: func(string) time.Duration { return 2 * time.Second }})
	w.configure(settings{Defaults: "{schedule: manual, initial: schedule, grace: 1h, settle: 3s, sinks: [disk]}"})
	d := w.start()
	w.rotatord("rotate", mintedSlot).Expect(t, 0)
	first := w.token(mintedSlot)
	if !w.sim.Unknown(harness.RelayID(0), first) {
		t.Log("the machine was too slow to tell whether the first token was delivered at once")
	}

	d.settling()
	d.predict(expectations{"slot_state state=settling" + liveSlot: is(1), "slot_state state=delivering" + liveSlot: is(0)})
	w.rotatord("status").Expect(t, 0, "settling")
	if code := d.stop(); code != 0 || w.token(mintedSlot) != first {
		t.Errorf("told to stop while a token settles, it ended with %d, delivered: %t", code, w.token(mintedSlot) != first)
	}
	w.rotatord("run", "--once").Expect(t, 0)
	second := w.token(mintedSlot)
	if second == first || !w.sim.Accepts(harness.RelayID(0), second) {
		t.Error("run --once has not brought the token that had settled")
	}

	d = w.start()
	d.settling()
	d.Kill()
	d = w.start()
	d.until(func() error { // a kill before the mint was journalled has it made anew
		if w.token(mintedSlot) == second {
			return errors.New("after a kill nothing was delivered")
		}
		return nil
	})
	if !w.sim.Accepts(harness.RelayID(0), w.token(mintedSlot)) {
		t.Error("after a kill the token was delivered before it had settled")
	}
	d.untilSlot(mintedSlot, func(s slot.Status) bool { return s.State == slot.StateGrace })
	w.rotatord("rotate", "--compromised", mintedSlot)
	for _, old := range []string{first, second} {
		if w.sim.Accepts(harness.RelayID(0), old) {
			t.Error("an older token lives on though it is compromised")
		}
	}
	if !w.sim.Accepts(harness.RelayID(0), w.token(mintedSlot)) {
		t.Error("older tokens were revoked before the new one had settled")
	}
}

// Where Cloudflare gives tokens a shorter life than is asked, they are renewed in time for that, and it is told.
func TestWhereCloudflareLoweredTheLongestLifeItIsToldAndTokensAreRenewed(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, cfsim.Options{MaxLife: 6 * time.Second})
	w.configure(settings{Defaults: "{schedule: manual, initial: now, grace: 1s, sinks: [disk]}"})
	d := w.start()
	first := d.served(0, mintedSlot)
	d.says("shorter life than was asked")
	w.rotatord("status", "-o", "json").Expect(t, 0, "less than half of the life")
	d.untilSlot(mintedSlot, func(s slot.Status) bool { return s.State != slot.StateFailing && w.token(mintedSlot) != first })
	made := 0
	for _, c := range w.sim.Calls() {
		if c.Op == cfsim.Create && c.Status == http.StatusCreated {
			made++
		}
	}
	if made > 4 {
		t.Errorf("%d tokens were made for two", made)
	}
}

// claiming is a Cloudflare whose values claim something else.
func claiming(h http.Handler, edit func(claims map[string]any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := httptest.NewRecorder()
		h.ServeHTTP(kept, r)
		maps.Copy(w.Header(), kept.Header())
		w.Header().Del("Content-Length") // it is another one where the claims are longer or shorter
		w.WriteHeader(kept.Code)
		_, _ = w.Write(jwt.ReplaceAllFunc(kept.Body.Bytes(), func(value []byte) []byte {
			parts := strings.Split(string(value), ".")
			payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
			claims := map[string]any{}
			_ = json.Unmarshal(payload, &claims)
			edit(claims)
			payload, _ = json.Marshal(claims)
			parts[1] = base64.RawURLEncoding.EncodeToString(payload)
			return []byte(strings.Join(parts, "."))
		}))
	})
}

// A value that claims another id is revoked, once; then it is delivered, and told without a word of what it says.
func claimsMetrics(t *testing.T, l *ledger) {
	const claimed = "00000000000000000000000000000bad"
	w := newWorld(t, 1)
	w.api = serveCloudflare(t, claiming(w.sim, func(c map[string]any) { c["jti"] = claimed }))
	w.configure(settings{})
	d := w.watch(l)
	w.rotatord("rotate", mintedSlot).Expect(t, 0)
	d.predict(expectations{
		"token_claim_mismatches_total account=main":                        is(2),
		"rotation_failures_total account=main step=mint reason=mismatch":   is(1),
		"cloudflare_requests_total account=main operation=revoke code=200": is(1),
	})
	d.says("the new value's claims contradict the answer", `"claims":["jti"]`, `"delivered":true`)
	if strings.Contains(d.logs.String()+w.rotatord("status", "-o", "json").Out, claimed) {
		t.Error("what the value claims is shown")
	}
}

// An in_place value is delivered whatever it claims; its claims say which token it is, and when it ends.
func TestAnInPlaceValueSaysWhichTokenItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{
		Sinks:    `  box: {type: file, format: json, path: "` + w.Path("box.json") + "\"}\n",
		Defaults: "{schedule: manual, initial: now, strategy: in_place, sinks: [box]}",
	})
	d := w.start()
	st := d.untilSlot(mintedSlot, func(s slot.Status) bool { return !s.LastRotation.IsZero() })
	tokens := w.sim.Tokens(harness.RelayID(0))
	made := tokens[len(tokens)-1]
	var record struct {
		TokenID   string    `json:"token_id"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(w.Read("box.json")), &record); err != nil {
		t.Fatal(err)
	}
	if record.TokenID != made.ID || !record.ExpiresAt.Equal(made.Expires) || st.TokenID != made.ID || !st.TokenExpires.Equal(made.Expires) {
		t.Errorf("the record says %+v, the status %s and %s, and it is %s until %s", record, st.TokenID, st.TokenExpires, made.ID, made.Expires)
	}
}

// An attempt that a kill cut off keeps the label it was made with, whatever the installation is called by now.
func TestATokenOfACutOffMintIsFoundThoughTheInstanceWasRenamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.start()
	d.rotatord("rotate", "live").Expect(t, 0)
	w.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.Slow, Delay: time.Hour})
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.until(func() error {
		if n := w.sim.Counts()[cfsim.Create]; n != 2 {
			return fmt.Errorf("%d tokens were made", n)
		}
		return nil
	})
	cutOff := newest(w.sim.Tokens(harness.RelayID(0))).ID
	d.Kill()
	w.configure(settings{Top: "instance: renamed\n"})
	d = w.start()
	d.untilSlot(mintedSlot, func(s slot.Status) bool { return s.Requested.IsZero() && s.Phase == "" })
	d.says("token of a lost mint found and revoked", cutOff)
	d.rotatord("history", "live").Expect(t, 0, cutOff, "token of a lost mint found and revoked")
	if holds(w.sim.Tokens(harness.RelayID(0)), cutOff) {
		t.Error("it is still there")
	}
	if made := newest(w.sim.Tokens(harness.RelayID(0))); !strings.HasPrefix(made.Label, "rotatord-renamed-") {
		t.Errorf("the next is labelled %s", made.Label)
	}
	d.rotatord("check", "--online").Expect(t, 0, "others hold 2 tokens") // ours of the former name are still ours
	d.served(0, mintedSlot)
}
