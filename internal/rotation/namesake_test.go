package rotation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// besideANamesake is a world in which another living installation that has our name has minted a token.
func besideANamesake(t *testing.T) (*world, *observer.ObservedLogs) {
	w := newWorld(t, moq.Overlap, 1)
	core, logs := observer.New(zap.WarnLevel)
	w.log = zap.New(core)
	w.start()
	w.run(10 * time.Minute)
	w.engine.ListNextRelay(t.Context())
	w.relay.change(append(slices.Clip(w.relay.tokens), namesakeMints(w)))
	return w, logs
}

func TestALivingNamesakeIsNoticedThoughNoSlotNeedsAList(t *testing.T) {
	w, logs := besideANamesake(t)
	before := w.relay.lists
	for range 3 * int(time.Hour/ListPause) {
		w.run(ListPause)
		w.engine.ListNextRelay(t.Context())
	}
	if n := w.relay.lists - before; n != 3 {
		t.Errorf("the relay was listed %d times in three hours", n)
	}
	st := w.status()
	if !slices.Equal(st.ForeignInstanceTokens, []string{namesakesToken}) || !strings.Contains(st.Note, namesakesToken) {
		t.Errorf("the status says %v, %q", st.ForeignInstanceTokens, st.Note)
	}
	if told := logs.FilterField(zap.String("token_id", namesakesToken)).Len(); told != 1 {
		t.Errorf("the log tells of it %d times", told)
	}
	w.relay.change(slices.DeleteFunc(slices.Clone(w.relay.tokens), func(t moq.Token) bool { return t.ID == namesakesToken }))
	w.run(time.Hour)
	w.engine.ListNextRelay(t.Context())
	if st := w.status(); len(st.ForeignInstanceTokens) > 0 || st.Note != "" {
		t.Errorf("when it is gone the status says %v, %q", st.ForeignInstanceTokens, st.Note)
	}
}

func TestANamesakesTokenIsPrunedOnlyWhenItIsNamed(t *testing.T) {
	w, _ := besideANamesake(t)
	w.run(2 * time.Hour)
	admin := NewAdministration(w.engine)
	tokens, err := admin.Tokens(t.Context(), "live")
	i := slices.IndexFunc(tokens, func(t slot.RelayToken) bool { return t.TokenID == namesakesToken })
	if err != nil || i < 0 || tokens[i].Owner != slot.ForeignInstance {
		t.Fatalf("listed as %+v, %v", tokens, err)
	}
	if pruned, err := admin.Prune(t.Context(), "live", nil, false); err != nil || len(pruned) != 0 {
		t.Errorf("without its name: %+v, %v", pruned, err)
	}
	for _, id := range []string{foreignToken, w.rec().Current.ID, "0123456789abcdef0123456789abcdef"} {
		if pruned, err := admin.Prune(t.Context(), "live", []string{id}, false); err == nil {
			t.Errorf("%s may be pruned by name: %+v", id, pruned)
		}
	}
	pruned, err := admin.Prune(t.Context(), "live", []string{namesakesToken}, false)
	if err != nil || len(pruned) != 1 || !pruned[0].Revoked {
		t.Errorf("by its name: %+v, %v", pruned, err)
	}
	if _, ok := w.relay.byID(namesakesToken); ok || len(w.broken) != 1 { // the oracle does not know who asked
		t.Errorf("it is still there, or more happened: %v", w.broken)
	}
	if st := w.status(); len(st.ForeignInstanceTokens) > 0 || st.Note != "" {
		t.Errorf("the status still tells of it: %v, %q", st.ForeignInstanceTokens, st.Note)
	}
}

func TestANamesakesTokenIsLeftAloneThoughTheClockWasAheadInALostMint(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	p := copyOf(w.plan)
	p.Matching = true
	w.plan = p
	w.start()
	w.run(time.Hour)
	w.step(400 * 24 * time.Hour)
	w.choose = once(createCall, "lost before")
	w.ask(false)
	w.setRight()
	w.run(26 * time.Hour)
	if r := w.rec(); len(r.Orphans) > 0 || r.LatestID() < moq.NewRotationID(w.now.Add(300*24*time.Hour), "") {
		t.Fatalf("the mint was not lost 400 days ahead, or is not forgotten: %s", w.describe())
	}
	w.restart(func() {})
	w.run(2 * time.Minute)
	w.relay.change(append(slices.Clip(w.relay.tokens), namesakeMints(w)))
	w.run(time.Minute)
	w.ask(false)
	w.run(3 * time.Hour)
	if told := w.status().ForeignInstanceTokens; !slices.Equal(told, []string{namesakesToken}) || len(w.broken) > 0 {
		t.Errorf("told: %v; broken: %v", told, w.broken)
	}
}

func TestATokenOfOursIsNeverTakenForANamesakes(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(10 * time.Minute)
	old := w.rec().Current
	w.calmly(26 * time.Hour)
	if w.rec().HasUsed(old.RotationID) {
		t.Fatal("the record still knows the rotation: the test could not fail")
	}
	w.relay.tokens = append(w.relay.tokens, moq.Token{ // a call that was sent again shows late
		ID: namesakesToken, Created: w.now, Label: moq.Label("test", old.RotationID),
	})
	if _, err := NewAdministration(w.engine).Tokens(t.Context(), "live"); err != nil || len(w.status().ForeignInstanceTokens) > 0 {
		t.Errorf("taken for a namesake's: %v, %v", w.status().ForeignInstanceTokens, err)
	}
}

func TestAListThatStillShowsWhatWasRevokedIsNotBelieved(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour + 30*time.Minute)
	former := w.rec().Retiring[0]
	w.run(30 * time.Minute)
	if len(w.rec().Retiring) > 0 {
		t.Fatal("the former token was not revoked")
	}
	w.relay.lagging = w.truth() + 2*time.Minute
	listed := func() bool {
		tokens, err := NewAdministration(w.engine).Tokens(t.Context(), "live")
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(tokens, func(t slot.RelayToken) bool { return t.TokenID == former.ID })
	}
	if listed() {
		t.Error("a token that was revoked just now is shown as a former one")
	}
	if w.run(61 * time.Second); !listed() {
		t.Error("a list that goes on showing it is still not believed")
	}
}
