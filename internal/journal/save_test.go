package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/wal"
)

// gate holds the writer in its next write to the log until it is opened.
type gate struct{ reached, opened chan struct{} }

func holdNextCommit(b *Bolt) gate {
	g := gate{make(chan struct{}), make(chan struct{})}
	var once sync.Once
	onLog(b, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
		once.Do(func() { close(g.reached); <-g.opened })
		return write()
	})
	return g
}

// background saves in a goroutine and gives the outcome later.
func background(ctx context.Context, b *Bolt, n, version int) <-chan error {
	outcome := make(chan error, 1)
	go func() { outcome <- b.Save(ctx, recordOf(n, version, 10)) }()
	return outcome
}

func TestSavesThatComeDuringACommitShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits atomic.Int32
		b := openUnused(t, t.TempDir(), Options{Observe: func(_ time.Duration, err error) {
			if commits.Add(1); err != nil {
				t.Error(err)
			}
		}})
		g := holdNextCommit(b)
		outcomes := []<-chan error{background(t.Context(), b, 0, 1)}
		<-g.reached
		for n := range 50 {
			outcomes = append(outcomes, background(t.Context(), b, n, 2))
		}
		synctest.Wait()
		close(g.opened)
		for _, o := range outcomes {
			if err := <-o; err != nil {
				t.Error(err)
			}
		}
		if n := commits.Load(); n != 2 {
			t.Errorf("%d commits, want 2", n)
		}
		shut(t, b)
	})
}

func TestSaveHeedsItsContextUntilItIsInACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		g := holdNextCommit(b)
		inCommit := background(ctx, b, 1, 1)
		<-g.reached
		queued := background(ctx, b, 2, 1)
		synctest.Wait()
		cancel()
		if err := <-queued; !errors.Is(err, context.Canceled) || fault.Of(err).Reason != fault.Canceled {
			t.Errorf("queued: %v", err)
		}
		close(g.opened)
		if err := <-inCommit; err != nil {
			t.Errorf("in the commit: %v", err)
		}
		if err := b.Save(ctx, recordOf(3, 1, 10)); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
		expectState(t, b, map[moq.Key]int{slotKey(1): 1})
		shut(t, b)
	})
}

func TestCloseWaitsForTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := open(t, dir)
		g := holdNextCommit(b)
		outcomes := []<-chan error{background(t.Context(), b, 1, 1)}
		<-g.reached
		outcomes = append(outcomes, background(t.Context(), b, 2, 1))
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- b.Close() }()
		synctest.Wait()
		expectFault(t, b.Save(t.Context(), recordOf(3, 1, 10)), fault.Retry, "closed")
		close(g.opened)
		for _, o := range append(outcomes, closed) {
			if err := <-o; err != nil {
				t.Error(err)
			}
		}
		shut(t, b) // once more does no harm
		again := open(t, dir)
		expectState(t, again, map[moq.Key]int{slotKey(1): 1, slotKey(2): 1})
		shut(t, again)
	})
}

func TestAFailingDiskIsReportedAndRecoveredFrom(t *testing.T) {
	for number, hint := range map[syscall.Errno]string{
		syscall.ENOSPC: "make room", syscall.EROFS: "read-write", syscall.EIO: "kernel's log", syscall.EACCES: "state.path", syscall.EBADF: "check the disk", syscall.ENOLCK: "lacks what the journal needs",
	} {
		t.Run(number.Error(), func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir)
			mustSave(t, b, recordOf(1, 1, 10))
			var broken atomic.Bool
			onLog(b, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
				if broken.Load() {
					return 0, &os.PathError{Op: "write", Path: FileName, Err: number}
				}
				return write()
			})
			broken.Store(true)
			for _, err := range []error{b.Save(t.Context(), recordOf(1, 2, 9000), eventOf(1, day, "")), b.Check(t.Context())} {
				expectFault(t, err, fault.Retry, "write journal", filepath.Join(dir, FileName), number.Error(), hint)
			}
			expectState(t, b, map[moq.Key]int{slotKey(1): 1})
			broken.Store(false)
			mustSave(t, b, recordOf(2, 1, 9000))
			expectState(t, b, map[moq.Key]int{slotKey(1): 1, slotKey(2): 1})
			shut(t, b)
			expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 1, slotKey(2): 1})
		})
	}
}

// A disk that has no room for the database keeps what is saved in the log, as long
// as that has room; Check says that something is wrong.
func TestSavesGoOnWhileTheDatabaseCannotGrow(t *testing.T) {
	for _, during := range []string{"data", "head"} {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("in %s, kept %t", during, kept), func(t *testing.T) {
				dir := t.TempDir()
				b := openSmall(t, dir) // so that a few probes would fill it
				var broken atomic.Bool
				onWrite(t, b, func(_ []byte, off int64, write func() (int, error)) (int, error) {
					if broken.Load() && isHead(off) == (during == "head") {
						if kept {
							_, _ = write()
						}
						return 0, syscall.ENOSPC
					}
					return write()
				})
				broken.Store(true)
				mustSave(t, b, recordOf(1, 1, 9000), eventOf(1, day, "first"))
				for range 100 { // which take no room
					expectFault(t, b.Check(t.Context()), fault.Retry, "write journal", "make room")
				}
				_, err := tryState(t, b)
				expectFault(t, err, fault.Retry, "read journal", "make room")
				mustSave(t, b, recordOf(1, 2, 10), eventOf(1, day, "second"))
				expectFault(t, b.Close(), fault.Retry, "make room")

				b = open(t, dir)
				expectState(t, b, map[moq.Key]int{slotKey(1): 2})
				if got := fmt.Sprint(details(t, b, nil, 0)); got != "[second first]" {
					t.Errorf("history %s", got)
				}
			})
		}
	}
}

func TestASegmentThatIsFullIsCheckpointedWhileSavesGoIntoTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := openSmall(t, dir)
		var places []string
		onLog(b, func(_ []byte, off int64, write func() (int, error)) (int, error) {
			places = append(places, fmt.Sprint(off/block))
			return write()
		})
		checkpointing := make(chan struct{})
		onWrite(t, b, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
			<-checkpointing
			return write()
		})
		for version := range 4 { // two fill the first segment
			mustSave(t, b, recordOf(version%3, version, 14*block))
		}
		if got := strings.Join(places, " "); got != "0 15 31 46" {
			t.Errorf("batches at blocks %s", got)
		}
		waits := background(t.Context(), b, 4, 4)
		synctest.Wait() // both segments are full, and the checkpoint stands still
		big := make(chan error, 1)
		go func() { big <- b.Save(t.Context(), recordOf(5, 5, 14*block)) }()
		synctest.Wait()
		select {
		case err := <-big:
			t.Errorf("a save found room in a full log: %v", err)
		default:
		}
		close(checkpointing)
		for _, outcome := range []<-chan error{waits, big} {
			if err := <-outcome; err != nil {
				t.Error(err)
			}
		}
		shut(t, b)
		b = open(t, dir)
		expectState(t, b, map[moq.Key]int{slotKey(0): 3, slotKey(1): 1, slotKey(2): 2, slotKey(4): 4, slotKey(5): 5})
		shut(t, b)
	})
}

func TestARecordLargerThanTheLogIsRefused(t *testing.T) {
	b := open(t, t.TempDir())
	err := b.Save(t.Context(), recordOf(1, 1, logSize))
	if f := fault.Of(err); f.Class != fault.Permanent || f.Reason != fault.Internal {
		t.Errorf("%v is %s, %s", err, f.Class, f.Reason)
	}
	for _, word := range []string{slotKey(1).String(), "larger than the log", "the other slots go on"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
	mustSave(t, b, recordOf(1, 2, 10))
	expectState(t, b, map[moq.Key]int{slotKey(1): 2})
}

// Those that would have shared its commit are saved.
func TestARecordLargerThanTheLogFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, t.TempDir())
		g := holdNextCommit(b)
		outcomes := []<-chan error{background(t.Context(), b, 0, 1)}
		<-g.reached
		outcomes = append(outcomes, background(t.Context(), b, 1, 1))
		synctest.Wait()
		large := make(chan error, 1)
		go func() { large <- b.Save(t.Context(), recordOf(2, 1, logSize)) }()
		synctest.Wait()
		outcomes = append(outcomes, background(t.Context(), b, 3, 1))
		synctest.Wait()
		close(g.opened)
		for _, o := range outcomes {
			if err := <-o; err != nil {
				t.Error(err)
			}
		}
		if err := <-large; !errors.Is(err, wal.ErrTooLarge) {
			t.Errorf("the large one: %v", err)
		}
		expectState(t, b, map[moq.Key]int{slotKey(0): 1, slotKey(1): 1, slotKey(3): 1})
		shut(t, b)
	})
}

// Whoever counts failed writes hears of a checkpoint that failed, too.
func TestACheckpointThatFailsIsObserved(t *testing.T) {
	var failed int
	b := openUnused(t, t.TempDir(), Options{Observe: func(_ time.Duration, err error) {
		if err != nil {
			failed++
		}
	}})
	mustSave(t, b, recordOf(1, 1, 10))
	onWrite(t, b, func([]byte, int64, func() (int, error)) (int, error) { return 0, syscall.EIO })
	expectFault(t, b.Check(t.Context()), fault.Retry, "input/output")
	if failed != 1 {
		t.Errorf("%d failures observed, want 1", failed)
	}
}

// A disk may keep the write of a commit and fail to say so.
func TestASaveThatFailedButWasKeptIsTakenBack(t *testing.T) {
	for name, after := range map[string]func(*testing.T, *Bolt){
		"by the next save": func(t *testing.T, b *Bolt) { mustSave(t, b, recordOf(2, 1, 10)) },
		"by the next save of the same slot": func(t *testing.T, b *Bolt) {
			mustSave(t, b, recordOf(1, 1, 10))
			mustSave(t, b, recordOf(2, 1, 10))
		},
		"by reading": func(t *testing.T, b *Bolt) { checkpoint(t, b) },
		"by closing": func(*testing.T, *Bolt) {},
	} {
		for times := 1; times <= 3; times++ {
			t.Run(fmt.Sprint(name, ", ", times, " failures"), func(t *testing.T) {
				dir := t.TempDir()
				b := open(t, dir)
				mustSave(t, b, recordOf(1, 1, 10))
				mustSave(t, b, recordOf(2, 1, 10))
				keepAndFail(b, times)
				for i := range times { // slots 1 and 3 in turn
					err := b.Save(t.Context(), recordOf(1+i%2*2, 5+i, 10), eventOf(1+i%2*2, day, "kept"))
					expectFault(t, err, fault.Retry, "input/output")
				}
				after(t, b)
				shut(t, b)
				b = open(t, dir)
				expectState(t, b, map[moq.Key]int{slotKey(1): 1, slotKey(2): 1})
				if events, err := b.History(t.Context(), nil, 0); err != nil || len(events) != 0 {
					t.Errorf("history %v, %v", events, err)
				}
			})
		}
	}
}

func keepAndFail(b *Bolt, times int) {
	onLog(b, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
		n, err := write()
		if times > 0 {
			times--
			return 0, syscall.EIO
		}
		return n, err
	})
}

func TestAKeptFailureIsTakenBackThoughAnotherFailsInBetween(t *testing.T) {
	b := open(t, t.TempDir())
	mustSave(t, b, recordOf(1, 1, 10))
	steps := []string{"kept", "lost"}
	onLog(b, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
		if len(steps) == 0 {
			return write()
		}
		step := steps[0]
		if steps = steps[1:]; step == "kept" {
			_, _ = write()
		}
		return 0, syscall.EIO
	})
	for _, n := range []int{1, 2} {
		expectFault(t, b.Save(t.Context(), recordOf(n, 5, 10)), fault.Retry, "input/output")
	}
	mustSave(t, b, recordOf(3, 1, 10))
	expectState(t, b, map[moq.Key]int{slotKey(1): 1, slotKey(3): 1})
}

func TestAGroupFailsAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, t.TempDir())
		g := holdNextCommit(b)
		first := background(t.Context(), b, 0, 1)
		<-g.reached
		var outcomes []<-chan error
		for n := range 5 {
			outcomes = append(outcomes, background(t.Context(), b, n+1, 1))
		}
		synctest.Wait()
		var broken atomic.Bool
		onLog(b, func(_ []byte, _ int64, write func() (int, error)) (int, error) { // the writer stands in a write, and sees this in the next
			if broken.Load() {
				return 0, syscall.ENOSPC
			}
			return write()
		})
		broken.Store(true)
		close(g.opened)
		if err := <-first; err != nil { // it was being written already
			t.Error(err)
		}
		for _, o := range outcomes {
			expectFault(t, <-o, fault.Retry, "no space")
		}
		broken.Store(false)
		mustSave(t, b, recordOf(9, 1, 10))
		expectState(t, b, map[moq.Key]int{slotKey(0): 1, slotKey(9): 1})
		shut(t, b)
	})
}

// The system answers a read of a mapped page that is not there with a signal, which
// would end the process.
func TestAPageThatCannotBeReadIsAnError(t *testing.T) {
	b := open(t, t.TempDir())
	for n := range 20 {
		mustSave(t, b, recordOf(n, 1, 4000))
	}
	if err := os.Truncate(b.path, 2*int64(os.Getpagesize())); err != nil { // the head pages
		t.Fatal(err)
	}
	_, err := tryState(t, b)
	expectFault(t, err, fault.Permanent, "damaged", "backup")
	for range 2 {
		expectFault(t, b.Save(t.Context(), recordOf(1, 2, 10)), fault.Retry, "damaged", "backup")
	}
	if err := b.Close(); err == nil {
		t.Error("closed as if nothing had happened")
	}
}

func TestCheckKeepsRoomForACheckpointOnAFullDisk(t *testing.T) {
	b := open(t, t.TempDir())
	for range 3 {
		if err := b.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(b.path)
	if err != nil {
		t.Fatal(err)
	}
	written := info.Size()
	onWrite(t, b, func(p []byte, off int64, write func() (int, error)) (int, error) {
		if off+int64(len(p)) > written {
			return 0, syscall.ENOSPC
		}
		return write()
	})
	mustSave(t, b, recordOf(1, 1, probeSize/2), eventOf(1, day, "saved without growing"))
	checkpoint(t, b)
}

func BenchmarkSave(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			j := open(b, b.TempDir())
			var n atomic.Int64
			b.SetParallelism(parallel)
			if parallel == 1 {
				for b.Loop() {
					mustSave(b, j, recordOf(int(n.Add(1))%1000, 1, 2000))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mustSave(b, j, recordOf(int(n.Add(1))%1000, 1, 2000))
				}
			})
		})
	}
}
