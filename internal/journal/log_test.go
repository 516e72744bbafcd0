package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

func TestAJournalOfTheOldFormatIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	mustSave(t, b, recordOf(1, 1, 10), eventOf(1, day, "before"))
	checkpoint(t, b)
	if err := b.db.Update(func(tx *bbolt.Tx) error { // as the old format was
		meta := tx.Bucket(metaBucket)
		return errors.Join(meta.Delete(idKey), meta.Delete(heldKey), meta.Delete(sessionKey), meta.Put(versionKey, binary.BigEndian.AppendUint32(nil, oldVersion)))
	}); err != nil {
		t.Fatal(err)
	}
	key, log := b.DigestKey(), b.logPath()
	killed(t, b)
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	if !bytes.Equal(b.DigestKey(), key) {
		t.Error("the digest key is another")
	}
	mustSave(t, b, recordOf(2, 1, 10), eventOf(1, day.Add(1_000_000_000), "after"))
	shut(t, b)
	b = open(t, dir)
	expectState(t, b, map[moq.Key]int{slotKey(1): 1, slotKey(2): 1})
	if got := details(t, b, nil, 0); len(got) != 2 || got[0] != "after" {
		t.Errorf("history %v", got)
	}
}

// Each database has a log of its own: one that is moved aside and put back later
// finds again what only its log has.
func TestALogStaysWithItsDatabase(t *testing.T) {
	dir, aside := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, FileName)
	b := open(t, dir)
	before := read(t, dir)
	mustSave(t, b, recordOf(1, 1, 10))
	killed(t, b)
	write(t, aside, before)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := open(t, dir)
	expectState(t, other, map[moq.Key]int{})
	mustSave(t, other, recordOf(2, 2, 10))
	shut(t, other)
	if err := os.Rename(filepath.Join(aside, FileName), path); err != nil {
		t.Fatal(err)
	}
	expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 1})
}

// A crash while the log is made leaves nothing behind once the next start has made it.
func TestALogThatIsHalfMadeIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	log := filepath.Join(dir, b.db.meta.logName())
	shut(t, b)
	half := log + ".new"
	if err := errors.Join(os.Remove(log), os.WriteFile(half, bytes.Repeat([]byte("x"), 2*logSize), 0o600)); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	mustSave(t, b, recordOf(1, 1, 10))
	shut(t, b)
	expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 1})
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the half is still there: %v", err)
	}
}

// killed ends a journal as a crash would: nothing is checkpointed.
func killed(t *testing.T, b *Bolt) {
	t.Helper()
	onWrite(t, b, func([]byte, int64, func() (int, error)) (int, error) { return 0, errors.New("killed") })
	_ = b.Close()
}

// After a crash the numbers of batches and events go on where they were.
func TestCrashAfterCrashNothingIsLost(t *testing.T) {
	dir, want := t.TempDir(), map[moq.Key]int{}
	for version := range 5 {
		b := open(t, dir)
		expectState(t, b, want)
		for n := range 3 {
			want[slotKey(n)] = version
			mustSave(t, b, recordOf(n, version, 3000), eventOf(n, day, "one of a moment"))
		}
		killed(t, b)
	}
	b := open(t, dir)
	expectState(t, b, want)
	if got := details(t, b, nil, 0); len(got) != 15 {
		t.Errorf("%d events, want 15", len(got))
	}
}

// A copy of the database in its place is another file to lock, but has the same log.
func TestACopyOfADatabaseInUseIsInUse(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	path := filepath.Join(dir, FileName)
	image := read(t, dir)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, dir, image)
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("err = %v", err)
	}
	expectFault(t, err, fault.Permanent, b.db.meta.logName(), "another rotatord")
}

func TestAKeyOfTheJournalThatIsMissingIsDamage(t *testing.T) {
	for _, key := range [][]byte{idKey, heldKey, digestKey, sessionKey} {
		dir := t.TempDir()
		b := open(t, dir)
		if err := b.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Delete(key) }); err != nil {
			t.Fatal(err)
		}
		killed(t, b)
		_, err := Open(dir, Options{})
		expectFault(t, err, fault.Permanent, "damaged")
	}
}

// After an orderly stop nothing of the log is needed.
func TestALogThatIsNotNeededIsMadeAnew(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"missing":   os.Remove,
		"cut short": func(path string) error { return os.Truncate(path, 100) },
		"no length": func(path string) error { return os.Truncate(path, 0) },
		"another":   func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), logSize), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir)
			mustSave(t, b, recordOf(1, 1, 10))
			path := b.logPath()
			shut(t, b)
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			b = open(t, dir)
			mustSave(t, b, recordOf(2, 2, 10))
			killed(t, b)
			expectState(t, open(t, dir), map[moq.Key]int{slotKey(1): 1, slotKey(2): 2})
			if info, err := os.Stat(path); err != nil || info.Size() != logSize {
				t.Errorf("the log is %v long (%v)", info.Size(), err)
			}
		})
	}
}

func TestALogThatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	path := b.logPath()
	shut(t, b)
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{})
	expectFault(t, err, fault.Permanent, path, "not a regular file")
}
