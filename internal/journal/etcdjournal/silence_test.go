package etcdjournal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
)

func TestSavesGoOnWhileOneMemberIsSilent(t *testing.T) {
	w := newWorld(t, 3)
	s := w.open(t, Options{limits: limits{call: 300 * time.Millisecond, patience: time.Minute}})
	version := 0
	saveSome := func() {
		for range 4 { // the client asks the members in turn
			version++
			mustSave(t, s, 1, version, journaltest.Event(1, version, fmt.Sprint(version)))
		}
	}
	saveSome()
	for _, leads := range []bool{false, true} {
		m := w.memberThat(t, leads)
		m.Freeze(t)
		saveSome()
		m.Thaw(t)
		saveSome()
	}
	expectVersions(t, s, map[int]int{1: version})
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) != keptEvents || events[0].Detail != fmt.Sprint(version) {
		t.Errorf("events %v, %v", events, err)
	}
}

// memberThat is a member that leads the others, or one that does not.
func (w world) memberThat(t *testing.T, leads bool) *etcdtest.Member {
	t.Helper()
	leader := w.Leader(t)
	for _, m := range w.Members {
		if (m == leader) == leads {
			return m
		}
	}
	t.Fatal("there is no such member")
	return nil
}

func TestNobodyWaitsForAnEtcdThatIsSilent(t *testing.T) {
	w := newWorld(t, 3)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	s.limits.call, s.limits.patience = 200*time.Millisecond, time.Second
	for _, m := range w.Members {
		m.Freeze(t)
	}
	_, history := s.History(t.Context(), nil, 0)
	for call, err := range map[string]error{
		"Save": save(t, s, 1, 2), "Check": s.Check(t.Context()), "Load": s.Load(t.Context(), nil), "History": history,
	} {
		if err == nil {
			t.Errorf("%s succeeds", call)
			continue
		}
		expectFault(t, err, fault.Retry, fault.Storage, "journal", w.Members[0].Endpoint, "in time")
	}
	if _, err := s.Space(t.Context()); err == nil {
		t.Error("its size is known")
	}
	for _, m := range w.Members {
		m.Thaw(t)
	}
	s.limits.call, s.limits.patience = time.Second, time.Minute // the members may have to elect a leader
	mustSave(t, s, 1, 3)
	expectVersions(t, s, map[int]int{1: 3})
}

// Whoever closes the store does not wait, either.
func TestTheEndOfTheStoreEndsWhatIsInHand(t *testing.T) {
	w := newWorld(t, 1)
	sent := make(chan struct{})
	var armed atomic.Bool
	forever := Options{limits: limits{call: time.Hour, patience: time.Hour}}
	s := w.open(t, forever, between("Txn", func(ctx context.Context, _ any, call func(context.Context) error) error {
		if armed.Load() {
			close(sent)
			<-ctx.Done()
			return ctx.Err()
		}
		return call(ctx)
	}))
	armed.Store(true)
	saved := make(chan error, 1)
	go func() { saved <- save(t, s, 1, 1) }()
	<-sent
	_ = s.Close()
	expectFault(t, <-saved, fault.Retry, fault.Storage, "closed")
}

func TestSoManyTransactionsAreInFlightAndNoMore(t *testing.T) {
	w := newWorld(t, 1)
	var mu sync.Mutex
	var inFlight, most int
	var armed atomic.Bool
	all, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := w.open(t, Options{}, between("Txn", func(ctx context.Context, _ any, call func(context.Context) error) error {
		if !armed.Load() {
			return call(ctx)
		}
		mu.Lock()
		inFlight++
		if most = max(most, inFlight); inFlight == maxInFlight {
			once.Do(func() { close(all) })
		}
		mu.Unlock()
		<-open
		err := call(ctx)
		mu.Lock()
		inFlight--
		mu.Unlock()
		return err
	}))
	armed.Store(true)
	var saves sync.WaitGroup
	for n := range maxInFlight + 50 {
		saves.Go(func() {
			if err := s.Save(t.Context(), journaltest.Record(n, 1, 10)); err != nil {
				t.Error(err)
			}
		})
	}
	<-all
	close(open)
	saves.Wait()
	if most != maxInFlight {
		t.Errorf("%d were in flight", most)
	}
}
