package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// both are the journal's files.
func both(b *Bolt) map[string]string {
	return map[string]string{"database": b.path, "log": b.logPath()}
}

// ways are what others may do to a file of ours that leaves its name to us.
func ways() map[string]func(path string) error {
	return map[string]func(path string) error{
		"deleted":    os.Remove,
		"moved away": func(path string) error { return os.Rename(path, path+".bak") },
		"cut short":  func(path string) error { return os.Truncate(path, 0) },
		"cut at the end": func(path string) error {
			info, err := os.Stat(path)
			return errors.Join(err, os.Truncate(path, info.Size()-1))
		},
	}
}

func memoryOf(held map[moq.Key]int) iter.Seq[*slot.Record] {
	return func(yield func(*slot.Record) bool) {
		for n := range 100 {
			if v, ok := held[slotKey(n)]; ok && !yield(recordOf(n, v, 100)) {
				return
			}
		}
	}
}

// Whatever happens to the files, all that memory knows is written anew, and goes on from there.
func TestLostFilesAreWrittenAnew(t *testing.T) {
	for disk, o := range disks() {
		t.Run(disk, func(t *testing.T) { testLostFilesAreWrittenAnew(t, o) })
	}
}

func testLostFilesAreWrittenAnew(t *testing.T, o Options) {
	for name, lose := range ways() {
		for _, which := range [][]string{{"database"}, {"log"}, {"database", "log"}} {
			t.Run(fmt.Sprint(strings.Join(which, " and "), " ", name), func(t *testing.T) {
				dir := t.TempDir()
				b := openWith(t, dir, o)
				held := map[moq.Key]int{slotKey(1): 1, slotKey(2): 1}
				mustSave(t, b, recordOf(1, 1, 100), eventOf(1, day, "checkpointed"))
				mustNote(t, b, journaltest.Note(1, 1))
				checkpoint(t, b)
				mustSave(t, b, recordOf(2, 1, 100), eventOf(2, day, "in the log"))
				mustNote(t, b, journaltest.Note(2, 2))
				key := b.DigestKey()
				for _, w := range which {
					if err := lose(both(b)[w]); err != nil {
						t.Fatal(err)
					}
				}
				b.Unmap() // reads, as somebody does all the time
				err := b.Check(t.Context())
				if !errors.Is(err, slot.ErrRecordsLost) {
					t.Fatalf("Check: %v", err)
				}
				for _, w := range which {
					expectFault(t, err, fault.Retry, both(b)[w], strings.Fields(name)[0], "new file")
				}
				if err := b.Restore(t.Context(), memoryOf(held)); err != nil {
					t.Fatal(err)
				}
				if err := b.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				mustSave(t, b, recordOf(3, 3, 100), eventOf(3, day, "after"))
				held[slotKey(3)] = 3
				killed(t, b)
				b = openWith(t, dir, o)
				expectState(t, b, held)
				if !slices.Equal(b.DigestKey(), key) {
					t.Error("the digest key is another")
				}
				notes, err := b.LoadAccounts(t.Context(), func(err error) { t.Error(err) })
				if want := []slot.AccountNote{journaltest.Note(1, 1), journaltest.Note(2, 2)}; err != nil || !slices.Equal(notes, want) {
					t.Errorf("the notes are %v (%v), want %v", notes, err, want)
				}
				events := details(t, b, nil, 0)
				if want := []string{"checkpointed", "in the log", "after"}; which[0] == "database" && strings.HasPrefix(name, "cut") {
					want = want[1:] // the rest is gone with the file
					if !slices.Contains(events, "in the log") || len(events) != len(want) {
						t.Errorf("history %v, want %v", events, want)
					}
				} else if len(events) != len(want) {
					t.Errorf("history %v, want %v", events, want)
				}
				if left, err := filepath.Glob(filepath.Join(dir, "*.anew")); err != nil || len(left) > 0 {
					t.Errorf("left behind: %v (%v)", left, err)
				}
			})
		}
	}
}

// A file that somebody else has put there is not ours to overwrite, and one whose folder
// is elsewhere may come back.
func TestWhatSomebodyElsePutThereIsLeftAlone(t *testing.T) {
	for _, name := range []string{"database", "log"} {
		t.Run(name+" replaced", func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir)
			path := both(b)[name]
			mustSave(t, b, recordOf(1, 1, 10))
			if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("theirs"), 0o600)); err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{b.Check(t.Context()), b.Restore(t.Context(), memoryOf(nil))} {
				expectFault(t, err, fault.Retry, path, "replaced", "restart")
				if errors.Is(err, slot.ErrRecordsLost) {
					t.Error("it counts as lost")
				}
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "theirs" {
				t.Errorf("it holds %q (%v)", text, err)
			}
		})
	}
}

// A copy over the same file is another content under the same name.
func TestABackupThatIsCopiedOverAFileIsLeftAlone(t *testing.T) {
	for _, name := range []string{"database", "log"} {
		for _, size := range []int{100, 200_000} { // so that the database has grown, or has not
			t.Run(fmt.Sprint(name, ", ", size), func(t *testing.T) {
				dir := t.TempDir()
				b := open(t, dir)
				mustSave(t, b, recordOf(1, 1, 100))
				shut(t, b)
				backup, err := os.ReadFile(both(b)[name])
				if err != nil {
					t.Fatal(err)
				}
				b = open(t, dir)
				mustSave(t, b, recordOf(1, 2, size))
				if err := errors.Join(b.Check(t.Context()), os.WriteFile(both(b)[name], backup, 0o600)); err != nil {
					t.Fatal(err)
				}
				err = b.Check(t.Context())
				if errors.Is(err, slot.ErrRecordsLost) { // a shorter one
					err = b.Restore(t.Context(), memoryOf(nil))
				}
				expectFault(t, err, fault.Retry, both(b)[name], "replaced", "copied over", "restart")
				if name == "log" {
					shut(t, b) // the database then has all
					expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 2})
					return
				}
				expectFault(t, b.Close(), fault.Retry, "copied over")
				if now := read(t, dir); !bytes.Equal(now, backup) {
					t.Error("it was written to")
				}
				expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 1})
			})
		}
	}
}

// Where the disk fails while a log is put in use, nothing is saved until one is.
func TestNothingIsSavedWithoutALogInUse(t *testing.T) {
	for fails := range 12 {
		for _, kept := range []bool{false, true} {
			dir := t.TempDir()
			b := open(t, dir)
			mustSave(t, b, recordOf(1, 1, 100))
			file := (*os.File)(reflect.ValueOf(boltOf(b)).Elem().FieldByName("file").UnsafePointer())
			n := 0
			onWrite(t, b, func(_ []byte, _ int64, write func() (int, error)) (int, error) {
				if n++; n < fails+1 {
					return write()
				}
				if kept {
					_, _ = write()
				}
				return 0, syscall.EIO
			})
			if err := os.Remove(b.logPath()); err != nil {
				t.Fatal(err)
			}
			_ = b.Restore(t.Context(), memoryOf(nil))
			saved := b.Save(t.Context(), recordOf(1, 2, 100)) == nil
			if saved && fails == 0 {
				t.Error("saved without a log in use")
			}
			onWrite(t, b, func(p []byte, off int64, _ func() (int, error)) (int, error) { return file.WriteAt(p, off) })
			for i := 0; b.Check(t.Context()) != nil; i++ {
				if err := b.Restore(t.Context(), memoryOf(nil)); err != nil || i > 2 {
					t.Fatalf("%d writes, kept %t: %v, %v", fails, kept, err, b.Check(t.Context()))
				}
			}
			want := map[moq.Key]int{slotKey(1): 1, slotKey(2): 2}
			if saved {
				want[slotKey(1)] = 2
			}
			mustSave(t, b, recordOf(2, 2, 100))
			killed(t, b)
			expectState(t, open(t, dir), want)
		}
	}
}

// Not even when it comes between the look and the new file.
func TestAFileThatSomebodyElsePutThereMeanwhileIsNotReplaced(t *testing.T) {
	for _, name := range []string{"database", "log"} {
		t.Run(name, func(t *testing.T) {
			b := open(t, t.TempDir())
			path := both(b)[name]
			if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("theirs"), 0o600)); err != nil {
				t.Fatal(err)
			}
			found := map[string]error{name: durable.Lost("deleted")} // before it came
			log, err := b.log.Pause(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer log.Resume()
			if err := b.writeLost(log, found["database"], found["log"], memoryOf(nil)); !errors.Is(err, fs.ErrExist) {
				t.Errorf("err = %v", err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "theirs" {
				t.Errorf("it holds %q (%v)", text, err)
			}
		})
	}
}

func TestAFolderThatIsElsewhereIsWaitedFor(t *testing.T) {
	for name, there := range map[string]func(dir string) error{
		"moved away": func(string) error { return nil },
		"replaced":   func(dir string) error { return os.Mkdir(dir, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			b := open(t, dir)
			mustSave(t, b, recordOf(1, 1, 10))
			if err := errors.Join(os.Rename(dir, dir+"-elsewhere"), there(dir)); err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{b.Check(t.Context()), b.Restore(t.Context(), memoryOf(nil))} {
				expectFault(t, err, fault.Retry, b.path, b.logPath(), "folder", "put the file back")
				if errors.Is(err, slot.ErrRecordsLost) {
					t.Error("it counts as lost")
				}
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("something was written: %v", left)
			}
			if err := errors.Join(os.RemoveAll(dir), os.Rename(dir+"-elsewhere", dir), b.Check(t.Context())); err != nil {
				t.Fatal(err)
			}
			expectState(t, b, map[moq.Key]int{slotKey(1): 1})
		})
	}
}

// A folder that was deleted with all that was in it is nowhere else.
func TestADeletedFolderIsMadeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "state")
	b := open(t, dir)
	held := map[moq.Key]int{slotKey(1): 1}
	mustSave(t, b, recordOf(1, 1, 10))
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); !errors.Is(err, slot.ErrRecordsLost) {
		t.Fatalf("Check: %v", err)
	}
	if err := errors.Join(b.Restore(t.Context(), memoryOf(held)), b.Check(t.Context())); err != nil {
		t.Fatal(err)
	}
	shut(t, b)
	expectState(t, open(t, dir), held)
}

// Nobody else can open what was written anew, and one that was there first stays.
func TestTwoNeverOwnTheName(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	held := map[moq.Key]int{slotKey(1): 1}
	mustSave(t, b, recordOf(1, 1, 10))
	for path := range maps.Values(both(b)) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Restore(t.Context(), memoryOf(held)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	if err := os.Remove(b.path); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir)
	mustSave(t, second, recordOf(2, 2, 10))
	expectFault(t, b.Restore(t.Context(), memoryOf(held)), fault.Retry, b.path, "replaced")
	expectState(t, second, map[moq.Key]int{slotKey(2): 2})
}

// Restoring where nothing is lost does nothing, and readers and savers go on meanwhile.
func TestSavesAndReadsGoOnWhileFilesAreWrittenAnew(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	mustSave(t, b, recordOf(1, 1, 10))
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for v := range 30 {
				mustSave(t, b, recordOf(10+n, v, 10))
				if _, err := b.History(t.Context(), nil, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		for path := range maps.Values(both(b)) {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
		// What was acknowledged is in memory: here, in what the lost log had.
		if err := b.Restore(t.Context(), memoryOf(map[moq.Key]int{slotKey(1): 1})); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	for n := range 4 {
		mustSave(t, b, recordOf(10+n, 30, 10))
	}
	shut(t, b)
	expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 1, slotKey(10): 30, slotKey(11): 30, slotKey(12): 30, slotKey(13): 30})
}
