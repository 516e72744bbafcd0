package rotation

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// logged has the world keep what its engine logs from now on.
func (w *world) logged() *observer.ObservedLogs {
	core, logs := observer.New(zap.InfoLevel)
	w.log = zap.New(core)
	return logs
}

func idOf(n int) string { return fmt.Sprintf("%032x", n) }

// serves checks which token the first sink holds, by the order they were minted in.
func (w *world) mustServe(n int) {
	w.t.Helper()
	if got := w.rec().Current; got == nil || got.ID != idOf(n) {
		w.t.Fatalf("served is %+v, want token %d\n%s", got, n, w.describe())
	}
}

func TestAValueThatClaimsAnotherIDIsRefusedOnce(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	logs := w.logged()
	w.start()
	w.run(time.Minute)
	w.relay.claims = func(moq.Token) string { return `{"jti":"` + foreignToken + `"}` }
	w.run(24 * time.Hour)
	w.mustServe(3)
	if _, listed := w.relay.byID(idOf(2)); listed {
		t.Error("the first that claims another id was not revoked")
	}
	w.run(24 * time.Hour)
	w.mustServe(4)
	if w.stats.steps[slot.StageMint] != 1 || w.stats.contradicted != 3 {
		t.Errorf("%d failed mints, %d contradicted", w.stats.steps[slot.StageMint], w.stats.contradicted)
	}
	if n := logs.FilterMessageSnippet("claims contradict").Len(); n != 3 {
		t.Errorf("it is told %d times in three mints", n)
	}
	for _, line := range logs.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); contains(text, foreignToken) {
			t.Errorf("what a value claims is logged: %s", text)
		}
	}
	w.mustBeSound()
}

func TestOtherClaimsThatContradictTheAnswerAreToldAndDelivered(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	logs := w.logged()
	w.relay.claims = func(tok moq.Token) string {
		return fmt.Sprintf(`{"jti":%q,"sub":"another","operations":["publish"],"exp":%d}`, tok.ID, tok.Expires.Unix()+61)
	}
	w.start()
	w.run(time.Minute)
	w.mustServe(1)
	lines := logs.FilterMessageSnippet("claims contradict").All()
	if len(lines) != 1 || fmt.Sprint(lines[0].ContextMap()["claims"]) != "[sub operations exp]" || w.stats.contradicted != 1 {
		t.Errorf("told: %v; counted %d", lines, w.stats.contradicted)
	}
	w.relay.claims = func(tok moq.Token) string {
		return fmt.Sprintf(`{"jti":%q,"sub":%q,"operations":["subscribe"],"exp":%d}`, tok.ID, testRelay, tok.Expires.Unix())
	}
	w.run(24 * time.Hour)
	w.mustServe(2)
	if w.stats.contradicted != 1 {
		t.Error("claims that agree are counted")
	}
}

func TestAnInPlaceTokenHasTheIDAndTheExpiryThatItsValueClaims(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	life := 12 * time.Hour
	w.relay.claims = func(moq.Token) string {
		return fmt.Sprintf(`{"jti":"an-id","sub":"another","exp":%d}`, w.now.Add(life).Unix())
	}
	w.start()
	w.run(time.Minute)
	if st := w.status(); st.TokenID != "an-id" || !st.TokenExpires.Equal(w.born.Add(life)) || st.State != slot.StateIdle {
		t.Errorf("status %+v", st)
	}
	if w.stats.contradicted != 0 {
		t.Error("claims of an in_place value are compared with nothing")
	}
	w.run(8 * time.Hour)
	if w.relay.rotates != 2 || w.rec().Rotation.Cause != slot.CauseExpiry {
		t.Errorf("%d rotations, the last because of %s: a token that ends in 4 hours is to be renewed", w.relay.rotates, w.rec().Rotation.Cause)
	}
	life = -time.Hour // no such end can be: consumers would be locked out again and again
	w.run(9 * time.Hour)
	if st := w.status(); w.relay.rotates != 3 || !st.TokenExpires.IsZero() {
		t.Errorf("%d rotations, it expires %s", w.relay.rotates, st.TokenExpires)
	}
	w.mustBeSound()
}

func TestATokenThatLivesTooShortIsRevokedAndTriedAgain(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	logs := w.logged()
	w.start()
	w.run(time.Minute)
	w.relay.longest = time.Second
	w.run(25 * time.Hour)
	w.mustServe(1)
	if n := w.relay.creates; n > 40 || len(w.relay.own()) != 1 {
		t.Errorf("%d mints within an hour, %d tokens are left", n, len(w.relay.own()))
	}
	if st := w.status(); st.State != slot.StateFailing || !contains(st.Failure.Message, "less than half as long") {
		t.Errorf("status %+v", st)
	}
	w.relay.longest = 26 * time.Hour // enough to reach the next
	w.run(time.Hour)
	if st := w.status(); !contains(st.Note, "less than half") || logs.FilterMessageSnippet("a shorter life than was asked").Len() != 1 {
		t.Errorf("note %q", st.Note)
	}
	w.mustBeSound()
}

func TestWhereCloudflareLoweredTheLongestLifeTokensAreRenewedInTime(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.relay.longest = time.Hour
	w.change(func(p *slot.Plan) { p.Grace = 10 * time.Minute })
	w.start()
	for range 10 * 60 {
		w.run(time.Minute)
		if !w.relay.accepts(w.sinks["sink0"].content) {
			t.Fatalf("the sink holds a dead token\n%s", w.describe())
		}
	}
	if n := w.relay.creates; n < 13 || n > 17 {
		t.Errorf("%d tokens in ten hours, each of an hour", n)
	}
	w.mustBeSound()
}
