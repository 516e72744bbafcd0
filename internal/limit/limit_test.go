package limit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func enter(t *testing.T, leave func(), err error) func() {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

func TestSoManyAreLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(2)
		leave, err := l.Enter(t.Context())
		first := enter(t, leave, err)
		leave, err = l.Enter(t.Context())
		enter(t, leave, err)
		third := make(chan error, 1)
		go func() {
			_, err := l.Enter(t.Context())
			third <- err
		}()
		synctest.Wait()
		if len(third) > 0 {
			t.Fatal("a third was let in beside two")
		}
		first()
		if err := <-third; err != nil {
			t.Error(err)
		}
	})
}

func TestOneIsLetInForEachKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeyed()
		leave, err := k.Enter(t.Context(), "a")
		first := enter(t, leave, err)
		leave, err = k.Enter(t.Context(), "b") // waits for nobody
		other := enter(t, leave, err)
		second := make(chan func(), 1)
		go func() {
			leave, _ := k.Enter(t.Context(), "a")
			second <- leave
		}()
		synctest.Wait()
		if len(second) > 0 {
			t.Fatal("two were let in for one key")
		}
		first()
		(<-second)()
		other()
		if len(k.inUse) != 0 {
			t.Errorf("%d keys are kept that nobody uses", len(k.inUse))
		}
	})
}

func TestWhoeverWaitsLeavesWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeyed()
		leave, err := k.Enter(t.Context(), "a")
		enter(t, leave, err)
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error, 1)
		go func() {
			_, err := k.Enter(ctx, "a")
			waiting <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want the end of its context", err)
		}
		leave()
		if len(k.inUse) != 0 {
			t.Errorf("%d keys are kept that nobody uses", len(k.inUse))
		}
	})
}

func TestNobodyIsLetInWhoseContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(1).Enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the end of its context", err)
	}
}
