package rotation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestUntilWhenCloudflareRefusesAnAccountsCallsOutlivesTheProcess(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	until := w.now.Add(5 * time.Minute)
	w.relay.tellBlock(until)
	w.relay.tellBlock(until) // each account of a budget is told
	w.relay.tellBlock(time.Time{})
	w.settle()
	want := []slot.AccountNote{{AccountID: testAccount, BlockedUntil: slot.TimestampOf(until)}}
	if !slices.Equal(w.disk.accounts, want) || w.relay.obeyed != nil {
		t.Fatalf("journalled %+v, and obeyed before a start %v; want %+v", w.disk.accounts, w.relay.obeyed, want)
	}
	w.restart(func() {})
	if len(w.relay.obeyed) != 1 || !w.relay.obeyed[0].Equal(until) || w.relay.terms != 0 {
		t.Errorf("the next process obeys %v, and begins %d terms; want %v and none", w.relay.obeyed, w.relay.terms, until)
	}
	w.run(10 * time.Minute)
	w.restart(func() {})
	if len(w.relay.obeyed) != 1 {
		t.Errorf("what is over is obeyed: %v", w.relay.obeyed)
	}
}

func TestABlockThatCouldNotBeJournalledIsSoWithTheNext(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.disk.full = true
	w.relay.tellBlock(w.now.Add(time.Minute))
	w.settle()
	w.disk.full = false
	w.relay.tellBlock(w.now.Add(2 * time.Minute))
	w.settle()
	if n := w.disk.accounts; len(n) != 1 || !n[0].BlockedUntil.Time().Equal(w.now.Add(2*time.Minute)) {
		t.Errorf("journalled %+v", n)
	}
}

func TestABlockThatIsToldWhileTheEngineStopsIsJournalled(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	until := w.now.Add(5 * time.Minute)
	w.engine.beginNothing()
	w.relay.tellBlock(until) // the answer to a call in hand
	w.engine.Stop(t.Context())
	if n := w.disk.accounts; len(n) != 1 || !n[0].BlockedUntil.Time().Equal(until) {
		t.Errorf("journalled %+v", n)
	}
}

func TestWhoLeadsNoMoreJournalsNoBlock(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	w.engine.Halt()
	w.relay.tellBlock(w.now.Add(5 * time.Minute))
	w.engine.Stop(t.Context())
	if n := w.disk.accounts; len(n) != 0 {
		t.Errorf("journalled %+v", n)
	}
}

func TestAReloadHearsOfTheBlocksOfTheAccountsInForceAlone(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(time.Minute)
	former := w.relay
	w.relay = newFakeRelay(w)
	w.configure()
	if former.tellBlock != nil || w.relay.tellBlock == nil || w.relay.obeyed != nil {
		t.Errorf("the former account is heard: %t, the present one: %t", former.tellBlock != nil, w.relay.tellBlock != nil)
	}
	w.engine.Stop(t.Context())
	if w.relay.tellBlock != nil {
		t.Error("an engine that has stopped hears of blocks")
	}
}

// blockedMeanwhile is an account that Cloudflare blocks while somebody begins to watch it.
type blockedMeanwhile struct{ Cloudflare }

func (blockedMeanwhile) WatchBlock(f func(until time.Time)) (stop func()) {
	told := make(chan struct{})
	go func() {
		f(time.Now()) // with the account's budget locked, which WatchBlock waits for
		close(told)
	}()
	<-told
	return func() {}
}

func TestABlockIsNotedWhileItsAccountBeginsToBeWatched(t *testing.T) {
	b := newBlocks()
	b.watch(map[string]Cloudflare{"main": blockedMeanwhile{}}, func(id string, until time.Time) { b.note(id, until) })
	if b.until("main").IsZero() {
		t.Error("it was not noted")
	}
}

// Until when an account is blocked Cloudflare tells anew; that nobody can lead, or start, would be worse.
func TestAnAccountsDamagedNoteIsNamedAndHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	logs := w.logged()
	until := w.now.Add(5 * time.Minute)
	w.disk.accounts = []slot.AccountNote{{AccountID: testAccount, BlockedUntil: slot.TimestampOf(until)}}
	w.disk.illegible = errors.New(`note "account/another": damaged`)
	w.start()
	w.run(time.Minute)
	if len(w.relay.obeyed) != 1 || !w.relay.obeyed[0].Equal(until) {
		t.Errorf("it obeys %v, want %v", w.relay.obeyed, until)
	}
	told := logs.FilterLevelExact(zap.WarnLevel).All()
	if len(told) != 1 || !strings.Contains(fmt.Sprint(told[0].ContextMap()["error"]), "account/another") {
		t.Errorf("it tells %+v", told)
	}
}
