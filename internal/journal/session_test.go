package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// harms are what a log may have become between a kill and the next start. earlier is a
// copy of it from a session before.
func harms(earlier []byte) map[string]func(path string) error {
	rewrite := func(size int64) func(string) error {
		return func(path string) error {
			return errors.Join(os.Truncate(path, 0), os.Truncate(path, size))
		}
	}
	return map[string]func(path string) error{
		"missing":                     os.Remove,
		"emptied":                     rewrite(0),
		"cut short":                   func(path string) error { return os.Truncate(path, smallLog+100) },
		"emptied and written further": rewrite(logSize),
		"an earlier copy":             func(path string) error { return os.WriteFile(path, earlier, 0o600) },
	}
}

// crashed is a folder with one record in the database and one in the log alone.
func crashed(t *testing.T) (dir, log string, earlier []byte) {
	t.Helper()
	dir = t.TempDir()
	b := open(t, dir)
	shut(t, b)
	log = b.logPath()
	earlier, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	mustSave(t, b, recordOf(1, 1, 10))
	checkpoint(t, b)
	mustSave(t, b, recordOf(2, 1, 10))
	killed(t, b)
	return dir, log, earlier
}

// After a crash a log that is not whole is missed, until a person says that it is lost.
func TestALogIsMissedAfterACrash(t *testing.T) {
	for name := range harms(nil) {
		t.Run(name, func(t *testing.T) {
			dir, log, earlier := crashed(t)
			if err := harms(earlier)[name](log); err != nil {
				t.Fatal(err)
			}
			before := read(t, dir)
			for range 2 {
				_, err := Open(dir, Options{})
				expectFault(t, err, fault.Permanent, log, log+asideSuffix, "not known")
			}
			if !slices.Equal(read(t, dir), before) {
				t.Error("the database was touched")
			}
			consent(t, log)
			if got := openWarned(t, dir, "starting without the log "+log, "was last written at", "counts once"); len(got) != 1 {
				t.Errorf("it knows %v", got)
			}
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, Options{})
			expectFault(t, err, fault.Permanent, log, "it is missing")
		})
	}
}

// consent does what the error asks for.
func consent(t *testing.T, log string) {
	t.Helper()
	err := os.Rename(log, log+asideSuffix)
	if errors.Is(err, os.ErrNotExist) {
		err = os.WriteFile(log+asideSuffix, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// openWarned opens a journal, which must say some words, and kills it again.
func openWarned(t *testing.T, dir string, words ...string) map[moq.Key]int {
	t.Helper()
	var said []string
	b, err := Open(dir, Options{Warn: func(text string) { said = append(said, text) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if !strings.Contains(strings.Join(said, "\n"), w) {
			t.Errorf("%q lacks %q", said, w)
		}
	}
	got := state(t, b)
	killed(t, b)
	return got
}

// A consent that was not needed is not kept for a loss that may come later.
func TestAConsentThatIsNotNeededIsUsedUp(t *testing.T) {
	dir, log, _ := crashed(t)
	if err := os.WriteFile(log+asideSuffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := openWarned(t, dir, "counts once"); len(got) != 2 {
		t.Errorf("it knows %v", got)
	}
	if left, err := filepath.Glob(log + asideSuffix); err != nil || len(left) > 0 {
		t.Errorf("it is still there: %v (%v)", left, err)
	}
}

// A log that is there and not the right one is not passed over, whatever else lies there.
func TestAConsentDoesNotCoverALogThatIsThere(t *testing.T) {
	dir, log, _ := crashed(t)
	if err := errors.Join(os.WriteFile(log+asideSuffix, nil, 0o600), os.Truncate(log, 0)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{})
	expectFault(t, err, fault.Permanent, log, "0 of at least", "rename it to "+log+asideSuffix)
}

// Whatever a loss of power leaves of a session's beginning and end opens by itself.
func TestPowerLossWhileASessionBeginsOrEndsNeedsNobody(t *testing.T) {
	f := record(t)
	want := map[moq.Key]int{}
	for n := range 3 {
		want[slotKey(n)] = 1
		mustSave(t, f.b, recordOf(n, 1, 900), eventOf(n, day, "saved"))
	}
	for _, step := range []func(){f.end, f.begin} {
		before, _, _ := f.cut()
		step()
		after, log, db := f.cut()
		now := before.log
		for _, w := range log { // synced before the database is written
			for _, image := range torn(now, w) {
				f.expect(disk{before.db, image}, want)
			}
			now = with(now, w)
		}
		for _, image := range checkpointImages(grown(before.db, int64(len(after.db))), db) {
			f.expect(disk{image, now}, want)
		}
		f.expect(after, want)
	}
}

// The simulation has teeth: were the database to say so before the log is marked, it would show.
func TestPowerLossWouldShowASessionThatIsNotedTooEarly(t *testing.T) {
	f := record(t)
	before, _, _ := f.cut()
	f.end()
	f.begin()
	after, _, _ := f.cut()
	dir := t.TempDir()
	write(t, dir, after.db)
	path := f.writeLog(dir, before.log)
	_, err := Open(dir, Options{})
	expectFault(t, err, fault.Permanent, "not the log that was in use", path)
}

// What another session left in the log is not taken for the present one's, though an
// older database was put back.
func TestBatchesOfAnotherSessionAreNotTaken(t *testing.T) {
	dir := t.TempDir()
	shut(t, open(t, dir))
	old := read(t, dir)
	b := open(t, dir)
	mustSave(t, b, recordOf(1, 1, 10))
	mustSave(t, b, recordOf(1, 2, 10))
	shut(t, b)
	write(t, dir, old)
	b = open(t, dir)
	mustSave(t, b, recordOf(2, 1, 10))
	killed(t, b)
	expectState(t, open(t, dir), map[moq.Key]int{slotKey(2): 1})
}

// A disk may keep the name of a session and fail to say so: that is no other database's.
func TestASessionWhoseNameWasKeptThoughItFailedIsNotTakenForAnother(t *testing.T) {
	dir := t.TempDir()
	b := openUnused(t, dir, Options{})
	failed := false
	onWrite(t, b, func(_ []byte, off int64, write func() (int, error)) (int, error) {
		n, err := write()
		if isHead(off) && !failed {
			failed = true
			return 0, syscall.EIO
		}
		return n, err
	})
	expectFault(t, b.Save(t.Context(), recordOf(1, 1, 10)), fault.Retry, "input/output")
	mustSave(t, b, recordOf(1, 2, 10))
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	killed(t, b)
	expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 2})
}
