package rotation

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestPruneRevokesOnlyWhatNoSinkHolds(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute) // two tokens of ours: one served, one in its grace
	w.sinks["sink0"].content = "header." + jwtOf(w.relay.own()[1].ID) + ".signature"
	w.restart(func() { w.disk.saved = nil })
	tokens, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	revoked := 0
	for _, tok := range tokens {
		if tok.Revoked {
			revoked++
		}
		if tok.Revoked == (len(tok.ServedBy) > 0) {
			t.Errorf("token %+v: revoked and served, or neither", tok)
		}
	}
	if revoked != 1 || len(w.relay.tokens) != 2 {
		t.Errorf("%d tokens pruned, %d left; want 1 pruned, the served one and somebody else's left", revoked, len(w.relay.tokens))
	}
}

func TestPruneLeavesATokenWhoseAnswerIsOnItsWay(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Hour)
	w.sinks["sink0"].content = "header." + jwtOf(w.relay.own()[0].ID) + ".signature"
	w.during(createCall, func() {
		made := moq.Token{ID: foreignToken[:31] + "d", Operations: moq.Subscribe.Operations(), Label: moq.Label("test", w.rec().PendingMint.ID)}
		w.relay.tokens = append(w.relay.tokens, made)
		tokens, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false)
		if err != nil || len(tokens) != 0 || len(w.relay.tokens) != 3 {
			t.Errorf("in the middle of a mint: %v, former tokens %+v, %d left of 3", err, tokens, len(w.relay.tokens))
		}
	})
	w.ask(false)
	if w.relay.creates != 2 {
		t.Fatalf("%d tokens were created, want 2", w.relay.creates)
	}
}

func TestPruneLeavesEverythingWhenASinkCannotBeTold(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.restart(func() { w.disk.saved = nil })
	if _, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false); err != nil {
		t.Fatal(err)
	}
	if len(w.relay.own()) != 2 {
		t.Error("a token was pruned though the sink's content is opaque")
	}
}

func TestPruneRevokesWhatHasExpiredThoughASinkCannotBeTold(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.restart(func() { w.disk.saved = nil })
	b := *w.engine.backends.Load()
	ours, theirs := w.now, w.relay.own()[0].Expires.Add(time.Hour)
	for _, clocks := range []struct {
		ours, theirs time.Time
		left         int
	}{{ours, theirs, 2}, {theirs, ours, 2}, {theirs, time.Time{}, 2}, {theirs, theirs, 1}} {
		w.now, b.accounts = clocks.ours, oneAccount{telling{w.relay, moq.CloudflareTime{Now: clocks.theirs}}}
		w.engine.backends.Store(&b)
		if _, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false); err != nil {
			t.Fatal(err)
		}
		if own := w.relay.own(); len(own) != clocks.left {
			t.Errorf("at %s by our clock, at %s by Cloudflare's, %d of 2 tokens are left", clocks.ours, clocks.theirs, len(own))
		}
	}
}

func TestPruneGoesPastATokenOfAnotherRelay(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.sinks["sink0"].content = jwtOfRelay("fedcba9876543210fedcba9876543210")
	w.restart(func() { w.disk.saved = nil })
	if _, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false); err != nil {
		t.Fatal(err)
	}
	if own := w.relay.own(); len(own) != 0 {
		t.Errorf("not pruned, though the relays of two names were exchanged: %v", own)
	}
}

// A write of the former leader may bring a former token to a sink until then.
func TestForAMinuteAfterATakeOverNothingIsPruned(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.withReplicas([2]time.Duration{})
	w.start()
	w.run(24*time.Hour + time.Minute)
	w.sinks["sink0"].content = "header." + jwtOf(w.relay.own()[1].ID) + ".signature"
	w.restart(func() { w.disk.saved = nil })
	w.run(18 * time.Second)
	prune := func(dryRun bool) (n int, err error) {
		tokens, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, dryRun)
		return len(tokens), err
	}
	if n, err := prune(true); err != nil || n != 2 {
		t.Errorf("%d former tokens are shown, %v", n, err)
	}
	_, err := prune(false)
	f := fault.Of(err)
	if f == nil || f.Reason != fault.Conflict || f.After != 42*time.Second || !strings.Contains(err.Error(), "again in 43s") {
		t.Errorf("the error: %v", err)
	}
	if len(w.relay.own()) != 2 {
		t.Error("a token was pruned")
	}
	w.run(43 * time.Second)
	if _, err := prune(false); err != nil || len(w.relay.own()) != 1 {
		t.Errorf("after a minute %d tokens are left, %v", len(w.relay.own()), err)
	}
}

func TestTheTokenOfAnInPlaceSlotIsOursAndServedWhereTheAccountListsIt(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	id := foreignToken[:31] + "d"
	w.relay.claims = func(moq.Token) string { return `{"jti":"` + id + `"}` }
	w.start()
	w.run(time.Minute)
	w.relay.tokens = append(w.relay.tokens, moq.Token{ID: id, Operations: moq.Subscribe.Operations(), Created: w.now})
	listed := func() (all [2]slot.RelayToken) {
		tokens, err := NewAdministration(w.engine).Tokens(t.Context(), "live")
		if n := copy(all[:], tokens); n != 2 || err != nil || all[1].TokenID != id {
			t.Fatalf("%+v, %v", tokens, err)
		}
		return all
	}
	all := listed()
	if theirs, ours := all[0], all[1]; theirs.Owner != slot.Others || len(theirs.ServedBy) > 0 || ours.Owner != slot.Ours ||
		ours.Rotation != w.rec().Current.RotationID || len(ours.ServedBy) != 1 || ours.Prunable {
		t.Errorf("somebody else's and ours: %+v", all)
	}
	w.restart(func() { // the record of a version that did not keep what values claim
		w.disk.saved = w.disk.saved.Clone()
		w.disk.saved.Current.ClaimedID, w.disk.saved.Rotation.Token.ClaimedID = "", ""
	})
	if all := listed(); len(all[0].ServedBy) > 0 || len(all[1].ServedBy) != 1 || all[1].Prunable {
		t.Errorf("who serves what, by the claims in the sink: %+v", all)
	}
}

// Two relays may have exchanged their names before the journal was lost.
func TestPruneLeavesATokenThatATargetOfAnotherRelayMayHold(t *testing.T) {
	for name, tt := range map[string]struct {
		holds   func(former moq.Token) string
		trouble error
		known   bool // the journal knows a delivery there
		kept    bool
	}{
		"the token":               {holds: func(f moq.Token) string { return "header." + jwtOf(f.ID) + ".signature" }, kept: true},
		"what cannot be told":     {holds: func(moq.Token) string { return "opaque" }},
		"what cannot be read":     {trouble: errors.New("away"), kept: true},
		"what was delivered":      {trouble: errors.New("away"), known: true},
		"nothing of this relay's": {holds: func(moq.Token) string { return jwtOfRelay(testRelay) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFleet(t, moq.Overlap, 2, "one", "two")
				w.start()
				t.Cleanup(w.kill)
				<-time.After(time.Minute)
				synctest.Wait()
				relay, other := w.plans[0].Key.RelayID, w.plans[1].Key
				former := w.tokens[relay][0]
				w.kill()
				if !tt.known {
					delete(w.disk, other)
				}
				delete(w.disk, w.plans[0].Key)
				w.stores["one"].held[relay] = jwtOfRelay(testRelay)
				if tt.holds != nil {
					w.stores["two"].held[other.RelayID] = tt.holds(former)
				}
				w.stores["two"].fails(0, tt.trouble)
				w.start()
				synctest.Wait()
				if _, err := NewAdministration(w.engine).Prune(t.Context(), w.plans[0].Relay, nil, false); err != nil {
					t.Fatal(err)
				}
				if kept := slices.ContainsFunc(w.tokens[relay], func(tok moq.Token) bool { return tok.ID == former.ID }); kept != tt.kept {
					t.Errorf("kept: %t, want %t", kept, tt.kept)
				}
			})
		})
	}
}
