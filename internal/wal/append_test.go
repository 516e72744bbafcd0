package wal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// gate holds the next write until it is opened.
type gate struct{ reached, opened chan struct{} }

func (w *world) holdNextWrite() gate {
	g := gate{make(chan struct{}), make(chan struct{})}
	var once sync.Once
	w.onWrite(func(_ []byte, _ int64, write func() (int, error)) (int, error) {
		once.Do(func() { close(g.reached); <-g.opened })
		return write()
	})
	return g
}

// begin appends in a goroutine and returns where the outcome comes.
func (w *world) begin(ctx context.Context, word string, size int) <-chan error {
	outcome := make(chan error, 1)
	go func() { outcome <- w.log.Append(ctx, entryOf(word, size)) }()
	return outcome
}

func (w *world) awaitAll(outcomes ...<-chan error) {
	w.Helper()
	for _, o := range outcomes {
		if err := <-o; err != nil {
			w.Error(err)
		}
	}
}

func (w *world) close() {
	w.Helper()
	if err := w.log.Close(); err != nil {
		w.Error(err)
	}
}

func TestEntriesThatComeDuringAWriteShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append("zero")
		var batches atomic.Int32
		w.log.options.Observe = func(time.Duration, error) { batches.Add(1) }
		g := w.holdNextWrite()
		outcomes := []<-chan error{w.begin(t.Context(), "one", 0)}
		<-g.reached
		for n := range 50 {
			outcomes = append(outcomes, w.begin(t.Context(), fmt.Sprint("more-", n), 0))
		}
		synctest.Wait()
		close(g.opened)
		w.awaitAll(outcomes...)
		if n := batches.Load(); n != 2 {
			t.Errorf("%d batches, want 2", n)
		}
		w.close()
	})
}

func TestAppendHeedsItsContextUntilItIsInABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append("zero")
		ctx, cancel := context.WithCancel(t.Context())
		g := w.holdNextWrite()
		written := w.begin(ctx, "one", 0)
		<-g.reached
		waits := w.begin(ctx, "two", 0)
		synctest.Wait()
		cancel()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		close(g.opened)
		w.awaitAll(written)
		if err := w.log.Append(ctx, entryOf("three", 0)); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
		w.close()
		w.expect("zero", "one")
	})
}

func TestCloseWaitsForTheEntriesThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append("zero")
		g := w.holdNextWrite()
		outcomes := []<-chan error{w.begin(t.Context(), "one", 0)}
		<-g.reached
		outcomes = append(outcomes, w.begin(t.Context(), "two", 0))
		synctest.Wait()
		closed := make(chan error, 2)
		for range 2 { // once more does no harm
			go func() { closed <- w.log.Close() }()
		}
		synctest.Wait()
		if err := w.log.Append(t.Context(), entryOf("three", 0)); !errors.Is(err, ErrClosed) {
			t.Errorf("err = %v", err)
		}
		close(g.opened)
		w.awaitAll(append(outcomes, closed, closed)...)
		w.expect("zero", "one", "two")
	})
}

func TestASegmentThatIsFullIsCheckpointedWhileEntriesGoIntoTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append("zero")
		w.checkpoint()
		var places []string
		w.onWrite(func(_ []byte, off int64, write func() (int, error)) (int, error) {
			places = append(places, fmt.Sprint(off/block))
			return write()
		})
		taking := make(chan struct{})
		w.store.fail(func(State) (error, bool) { <-taking; return nil, true })
		for _, word := range []string{"one", "two", "three", "four"} { // two fill a segment of 127 blocks
			if err := w.log.Append(t.Context(), entryOf(word, 60*block)); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(places, " "); got != "127 188 0 61" {
			t.Errorf("batches at blocks %s", got)
		}
		waits := []<-chan error{w.begin(t.Context(), "five", 60*block), w.begin(t.Context(), "six", 60*block)}
		synctest.Wait() // both segments are full, and the checkpoint stands still
		for _, outcome := range waits {
			select {
			case err := <-outcome:
				t.Errorf("an entry found room in a full log: %v", err)
			default:
			}
		}
		close(taking)
		w.awaitAll(waits...)
		w.close()
		got := w.store.copied().words
		if slices.Sort(got); strings.Join(got, " ") != "five four one six three two zero" {
			t.Errorf("the store holds %q", got)
		}
	})
}

// Those that would have shared its batch are kept.
func TestAnEntryLargerThanASegmentFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append("zero")
		g := w.holdNextWrite()
		outcomes := []<-chan error{w.begin(t.Context(), "one", 0)}
		<-g.reached
		large := make(chan (<-chan error), 1)
		for _, word := range []string{"two", "large", "three"} {
			if word == "large" {
				large <- w.begin(t.Context(), word, fileSize)
			} else {
				outcomes = append(outcomes, w.begin(t.Context(), word, 0))
			}
			synctest.Wait()
		}
		close(g.opened)
		w.awaitAll(outcomes...)
		if err := <-<-large; !errors.Is(err, ErrTooLarge) {
			t.Errorf("the large one: %v", err)
		}
		w.close()
		w.expect("zero", "one", "two", "three")
	})
}

func TestABatchFailsAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append("zero")
		g := w.holdNextWrite()
		first := w.begin(t.Context(), "one", 0)
		<-g.reached
		var outcomes []<-chan error
		for range 5 {
			outcomes = append(outcomes, w.begin(t.Context(), "lost", 0))
		}
		synctest.Wait()
		w.onWrite(func([]byte, int64, func() (int, error)) (int, error) { return 0, syscall.ENOSPC })
		close(g.opened)
		w.awaitAll(first) // it was being written already
		for _, o := range outcomes {
			if err := <-o; !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("err = %v", err)
			}
		}
		w.onWrite(nil)
		w.append("two")
		w.close()
		w.expect("zero", "one", "two")
	})
}

// A disk may keep a batch and fail to say so.
func TestABatchThatFailedButWasKeptIsTakenBack(t *testing.T) {
	for name, after := range map[string]func(w *world) []string{
		"by the next batch":   func(w *world) []string { w.append("two"); return []string{"one", "two"} },
		"by two more":         func(w *world) []string { w.append("two", "three"); return []string{"one", "two", "three"} },
		"by the checkpoint":   func(w *world) []string { w.checkpoint(); return []string{"one"} },
		"by the orderly end":  func(w *world) []string { w.close(); return []string{"one"} },
		"by one that is lost": func(w *world) []string { w.failNext(false); w.append("two"); return []string{"one", "two"} },
	} {
		for times := 1; times <= 3; times++ {
			t.Run(fmt.Sprint(name, ", ", times, " failures"), func(t *testing.T) {
				w := newWorld(t)
				w.append("one")
				for range times {
					w.failNext(true)
				}
				want := after(w)
				w.restart()
				w.expect(want...)
			})
		}
	}
}

// failNext has a disk fail to write an entry, which it may keep.
func (w *world) failNext(kept bool) {
	w.Helper()
	w.onWrite(func(_ []byte, _ int64, write func() (int, error)) (int, error) {
		if kept {
			_, _ = write()
		}
		return 0, syscall.EIO
	})
	if err := w.log.Append(w.Context(), entryOf("failed", 0)); !errors.Is(err, syscall.EIO) {
		w.Errorf("err = %v", err)
	}
	w.onWrite(nil)
}

func BenchmarkAppend(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			store := &memory{}
			store.fail(func(State) (error, bool) { return nil, false }) // which keeps nothing
			l, err := Open(Options{Path: b.TempDir() + "/log", Store: store, Publish: publishInPlace})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			if err := l.Recover(); err != nil {
				b.Fatal(err)
			}
			entry := entryOf("entry", 2500)
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := l.Append(b.Context(), entry); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
