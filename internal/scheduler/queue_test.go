package scheduler

import (
	"cmp"
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a queue at work under virtual time, with a wall clock that can be set.
type bench struct {
	*Queue[string]
	ahead atomic.Int64 // how far the wall clock was set
	began time.Time
	mu    sync.Mutex
	fired []string
}

func (b *bench) fire(k string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fired = append(b.fired, k)
}

func (b *bench) now() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }

// in is the wall clock's time d from the beginning.
func (b *bench) in(d time.Duration) time.Time { return b.began.Add(d) }

func (b *bench) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.fired, want) {
		t.Fatalf("fired %v, want %v", b.fired, want)
	}
	b.fired = nil
}

func withQueue(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{began: time.Now().Round(0)}
		b.Queue = NewQueue[string](b.now)
		go b.Run(t.Context(), b.fire)
		synctest.Wait()
		f(t, b)
	})
}

// pass lets virtual time go by.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	<-time.After(d)
}

func TestQueueFiresAtTheTimeInOrder(t *testing.T) {
	withQueue(t, func(t *testing.T, b *bench) {
		b.Set("b", b.in(2*time.Minute))
		b.Set("a", b.in(time.Minute))
		b.Set("past", b.in(-time.Hour))
		b.expect(t, "past")
		pass(t, time.Minute-time.Nanosecond)
		b.expect(t)
		pass(t, time.Nanosecond)
		b.expect(t, "a")
		pass(t, time.Minute)
		b.expect(t, "b")
		if b.Len() != 0 {
			t.Errorf("Len = %d", b.Len())
		}
	})
}

func TestQueueMovesAndRemoves(t *testing.T) {
	withQueue(t, func(t *testing.T, b *bench) {
		b.Set("later", b.in(10*time.Second))
		b.Set("earlier", b.in(20*time.Second))
		b.Set("gone", b.in(5*time.Second))
		b.Set("zeroed", b.in(5*time.Second))
		b.Set("later", b.in(15*time.Second))
		b.Set("earlier", b.in(time.Second))
		b.Remove("gone")
		b.Remove("never there")
		b.Set("zeroed", time.Time{})
		if b.Len() != 2 {
			t.Errorf("Len = %d, want 2", b.Len())
		}
		pass(t, time.Second)
		b.expect(t, "earlier")
		pass(t, 13*time.Second)
		b.expect(t)
		pass(t, time.Second)
		b.expect(t, "later")
	})
}

func TestQueueNeverFiresEarly(t *testing.T) {
	withQueue(t, func(t *testing.T, b *bench) {
		b.Set("k", b.in(time.Second+time.Nanosecond))
		pass(t, time.Second)
		b.expect(t)
		pass(t, time.Microsecond)
		b.expect(t, "k")
	})
}

func TestQueueNoticesAClockSetForward(t *testing.T) {
	withQueue(t, func(t *testing.T, b *bench) {
		b.Set("k", b.in(24*time.Hour))
		pass(t, 10*time.Second)
		b.ahead.Store(int64(24 * time.Hour)) // a suspended machine wakes up
		pass(t, 30*time.Second)
		b.expect(t, "k")
	})
}

func TestQueueNoticesAClockSetBack(t *testing.T) {
	withQueue(t, func(t *testing.T, b *bench) {
		b.Set("k", b.in(time.Minute))
		b.ahead.Store(-int64(time.Hour))
		pass(t, time.Minute)
		b.expect(t)
		pass(t, time.Hour-time.Second)
		b.expect(t)
		pass(t, time.Second)
		b.expect(t, "k")
	})
}

func TestQueueFireMaySetTheKeyAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		q := NewQueue[int](time.Now)
		q.Set(0, time.Now())
		began := time.Now()
		q.Run(ctx, func(k int) {
			if k == 3 {
				cancel()
				return
			}
			q.Set(k+1, time.Now().Add(time.Hour))
		})
		if got := time.Since(began); got != 3*time.Hour {
			t.Errorf("took %s, want 3h", got)
		}
	})
}

func TestQueueKeepsOrderUnderRandomChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	base := time.Unix(1_800_000_000, 0)
	now := base
	q := NewQueue[int](func() time.Time { return now })
	want := map[int]time.Time{}
	for range 20_000 {
		k := random.IntN(500)
		if random.IntN(4) == 0 {
			q.Remove(k)
			delete(want, k)
			continue
		}
		want[k] = base.Add(time.Duration(random.IntN(1_000_000)) * time.Second)
		q.Set(k, want[k])
	}
	now = base.AddDate(1, 0, 0)
	var got []int
	for k, due, _ := q.nextDue(); due; k, due, _ = q.nextDue() {
		got = append(got, k)
	}
	if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b int) int { return cmp.Compare(want[a].Unix(), want[b].Unix()) }) {
		t.Errorf("%d of %d keys came, or out of order", len(got), len(want))
	}
}

func TestQueueIsLean(t *testing.T) {
	const n = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	q := NewQueue[int](time.Now)
	for k := range n {
		q.Set(k, time.Unix(int64(k), 0))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 122 {
		t.Errorf("%d bytes an entry, want at most 122", each)
	}
	runtime.KeepAlive(q)
}

func BenchmarkQueueOf100000(b *testing.B) {
	const n = 100_000
	now := time.Unix(1_800_000_000, 0)
	q := NewQueue[int](func() time.Time { return now })
	for k := range n {
		q.Set(k, now.Add(time.Duration(k)*time.Second))
	}
	b.ReportAllocs()
	for b.Loop() {
		k, due, wait := q.nextDue()
		if due {
			q.Set(k, now.Add(n*time.Second))
		}
		now = now.Add(wait)
	}
}
