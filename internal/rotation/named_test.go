package rotation

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// studios are named tokens of one relay, all with the same operations.
type studios struct{ *fleet }

// withStudios runs a test with three tokens that may publish, a, b and c, each rotated once.
func withStudios(t *testing.T, f func(t *testing.T, w studios)) {
	synctest.Test(t, func(t *testing.T) {
		w := studios{newFleet(t, moq.Overlap, 3, "disk")}
		for i, p := range w.plans {
			name := moq.TokenType("abc"[i : i+1])
			p.Relay, p.Key.RelayID, p.Key.Type, p.Operations = "live", testRelay, name, []string{"publish"}
			p.Targets[0].Target, p.Targets[0].Location = string(name), "file://disk/"+string(name)
		}
		w.fleet.start()
		t.Cleanup(w.kill)
		w.wait(time.Minute)
		f(t, w)
	})
}

func (w studios) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// keep leaves only the first n tokens in the configuration.
func (w studios) keep(n int) {
	w.plans = w.plans[:n]
	w.configure()
	w.wait(time.Minute)
}

// change gives the ith slot a plan of its own.
func (w studios) change(i int, edit func(p *slot.Plan)) {
	p, policy := *w.plans[i], *w.plans[i].Policy
	p.Policy = &policy
	edit(&p)
	w.plans[i] = &p
	w.configure()
}

func (w studios) rotate(name string, compromised bool) {
	w.t.Helper()
	if _, err := w.engine.Rotate(w.t.Context(), "live", name, "a test", compromised); err != nil {
		w.t.Fatal(err)
	}
	w.wait(time.Minute)
}

// held are the slots that the relay's tokens are of, "" for nobody's.
func (w studios) held() (out []string) {
	for _, t := range w.tokensOf("live") {
		out = append(out, strings.TrimPrefix(t.Slot, "live/"))
	}
	slices.Sort(out)
	return out
}

func (w studios) tokensOf(relay string) []slot.RelayToken {
	w.t.Helper()
	tokens, err := NewAdministration(w.engine).Tokens(w.t.Context(), relay)
	if err != nil {
		w.t.Fatal(err)
	}
	return tokens
}

func (w studios) madeByHand(operations ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[testRelay] = append(w.tokens[testRelay], moq.Token{ID: foreignToken, Operations: operations, Created: time.Now()})
}

func (w studios) mustHold(when string, want ...string) {
	w.t.Helper()
	if got := w.held(); !slices.Equal(got, want) {
		w.t.Errorf("%s the relay holds tokens of %q, want %q", when, got, want)
	}
}

func TestANamedTokenIsMadeWithItsOwnOperations(t *testing.T) {
	withStudios(t, func(t *testing.T, w studios) {
		w.change(1, func(p *slot.Plan) { p.Operations = []string{"subscribe", "publish:stats"} })
		w.rotate("b", false)
		for _, tok := range w.tokensOf("live") {
			want := []string{"publish"}
			if s, _ := w.engine.StatusOf("live", "b"); tok.TokenID == s.TokenID {
				want = []string{"subscribe", "publish:stats"}
			}
			if !slices.Equal(tok.Operations, want) {
				t.Errorf("a token of %s may %v, want %v", tok.Slot, tok.Operations, want)
			}
		}
		w.keep(1)
		w.kill()
		w.fleet.start()
		left := w.engine.slots.workerOf(moq.Key{AccountID: testAccount, RelayID: testRelay, Type: "b"})
		if got := left.read().Operations(); !slices.Equal(got, []string{"subscribe", "publish:stats"}) {
			t.Errorf("after it left, its tokens are known to do %v", got)
		}
	})
}

func TestTokensWithTheSameOperationsStayTheirSlots(t *testing.T) {
	withStudios(t, func(t *testing.T, w studios) {
		w.rotate("b", false)
		w.mustHold("in b's grace", "a", "b", "b", "c")
		w.rotate("b", true)
		w.mustHold("once b was compromised", "a", "b", "c")
	})
}

func TestMatchingSparesTheTokensOfSlotsThatLeft(t *testing.T) {
	withStudios(t, func(t *testing.T, w studios) {
		w.madeByHand("publish")
		w.keep(1)
		w.change(0, func(p *slot.Plan) { p.Matching = true })
		w.rotate("a", false)
		w.mustHold("in the graces of a's token and of one made by hand", "a", "a", "a", "b", "c")
		w.wait(2 * time.Hour)
		w.mustHold("after their graces", "a", "b", "c")
		w.kill() // a slot that left is known to the journal alone
		w.fleet.start()
		w.rotate("a", false)
		w.wait(2 * time.Hour)
		w.mustHold("after another rotation", "a", "b", "c")
	})
}

func TestMatchingSparesATokenThatWasMadeInPlace(t *testing.T) {
	withStudios(t, func(t *testing.T, w studios) {
		w.change(1, func(p *slot.Plan) {
			p.Key.Type, p.Strategy, p.Operations = moq.Subscribe, moq.InPlace, moq.Subscribe.Operations()
			p.Targets = []slot.Target{{Sink: "disk", Target: "x", Location: "file://disk/x", Required: true}}
		})
		w.wait(time.Minute)
		w.rotate("subscribe", false)
		w.madeByHand("subscribe")
		w.wait(time.Hour)
		w.keep(1)
		w.change(0, func(p *slot.Plan) { p.Matching, p.Operations = true, moq.Subscribe.Operations() })
		w.rotate("a", false)
		w.wait(2 * time.Hour)
		w.mustHold("with a token that may be of a slot rotated in place", "", "a", "b", "c")
	})
}

func TestARemovedRelayIsKnownByItsNameAndItsID(t *testing.T) {
	withStudios(t, func(t *testing.T, w studios) {
		w.keep(0)
		for _, restarted := range []bool{false, true} {
			if restarted {
				w.kill()
				w.fleet.start()
			}
			for _, name := range []string{"live", testRelay} {
				if got := len(w.tokensOf(name)); got != 3 {
					t.Errorf("%s, restarted: %t: %d tokens", name, restarted, got)
				}
				if _, err := NewAdministration(w.engine).History(t.Context(), name, "b", 0); err != nil {
					t.Errorf("%s, restarted: %t: %v", name, restarted, err)
				}
			}
		}
		for _, name := range []string{"liv", "", testRelay[1:]} {
			if _, err := NewAdministration(w.engine).Tokens(t.Context(), name); err == nil || !contains(err.Error(), "no such relay") {
				t.Errorf("%q: %v", name, err)
			}
		}
		if _, err := NewAdministration(w.engine).History(t.Context(), "live", "d", 0); err == nil || !contains(err.Error(), "no such token") {
			t.Error(err)
		}
	})
}

func TestTheNameOfTwoRemovedRelaysIsAskedBack(t *testing.T) {
	withStudios(t, func(t *testing.T, w studios) {
		other := *w.plans[0]
		other.Key.RelayID = strings.Repeat("9", 32)
		other.Targets = []slot.Target{{Sink: "disk", Target: "x", Location: "file://disk/x", Required: true}}
		w.plans = []*slot.Plan{&other}
		w.configure()
		w.wait(time.Minute)
		w.keep(0)
		_, err := NewAdministration(w.engine).Tokens(t.Context(), "live")
		if err == nil || !contains(err.Error(), testRelay) || !contains(err.Error(), other.Key.RelayID) {
			t.Error(err)
		}
	})
}

func TestTokensOfASlotThatLeftCanBePruned(t *testing.T) {
	withStudios(t, func(t *testing.T, w studios) {
		w.keep(1)
		pruned, err := NewAdministration(w.engine).Prune(t.Context(), "live", nil, false)
		if err != nil || len(pruned) != 2 || !pruned[0].Revoked || !pruned[1].Revoked {
			t.Errorf("pruned %+v, %v", pruned, err)
		}
		w.mustHold("then", "a")
		left := w.engine.slots.workerOf(moq.Key{AccountID: testAccount, RelayID: testRelay, Type: "b"})
		if r := left.read(); r.Current.ID != "" || len(r.Retiring) > 0 {
			t.Errorf("the journal still knows %+v, %+v", r.Current, r.Retiring)
		}
	})
}
