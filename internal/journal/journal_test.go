package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestOpenMakesFolderAndFileForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "rotatord")
	b := open(t, dir)
	log := filepath.Join(dir, b.db.meta.logName())
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, FileName): 0o600, log: 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", path, info.Mode(), want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
	if empty, err := b.Empty(); err != nil || !empty {
		t.Errorf("Empty = %t, %v", empty, err)
	}
}

func TestOpenFinishesAFileThatACrashLeftEmpty(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"no length": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"no buckets": func(path string) error {
			db, err := bbolt.Open(path, 0o600, nil)
			return errors.Join(err, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := prepare(filepath.Join(dir, FileName)); err != nil {
				t.Fatal(err)
			}
			b := open(t, dir)
			mustSave(t, b, recordOf(1, 1, 100))
			expectState(t, b, map[moq.Key]int{slotKey(1): 1})
		})
	}
}

func TestTheSizeIsThatOfTheFilesInTheFolder(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	var want int64
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		want += info.Size()
	}
	if got := j.Size(); got != want || got <= 0 {
		t.Errorf("the size is %d, want %d", got, want)
	}
}

func TestOpenRefusesAJournalInUse(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("err = %v", err)
	}
	expectFault(t, err, fault.Permanent, "another rotatord", filepath.Join(dir, FileName), "state.path")
}

func TestOpenRefusesWhatItCannotReach(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); isAny(err, damageErrors()) {
		t.Errorf("a folder in the file's place is called damage: %v", err)
	} else {
		expectFault(t, err, fault.Permanent, "open journal", FileName)
	}
}

func TestOpenLeavesANewerFormatUntouched(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(metaBucket).Put(versionKey, binary.BigEndian.AppendUint32(nil, formatVersion+1))
	}); err != nil {
		t.Fatal(err)
	}
	killed(t, b)
	before := read(t, dir)
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrNewer) {
		t.Fatalf("err = %v", err)
	}
	expectFault(t, err, fault.Permanent, "made by a newer rotatord", fmt.Sprint("version ", formatVersion+1), fmt.Sprint("up to ", formatVersion), "not touched")
	if string(read(t, dir)) != string(before) {
		t.Error("the file was touched")
	}
}

func read(t testing.TB, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, dir string, image []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, FileName), image, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadGoesThroughAllBatches(t *testing.T) {
	for _, n := range []int{0, 1, batchSize - 1, batchSize, batchSize + 1, 2*batchSize + 1} {
		b := open(t, t.TempDir())
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := b.Save(t.Context(), recordOf(i, 1, 10)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := len(state(t, b)); got != n {
			t.Errorf("%d records, want %d", got, n)
		}
	}
}

func TestLoadNamesDamagedRecordsAndGivesTheOthers(t *testing.T) {
	b := open(t, t.TempDir())
	for n := range 3 {
		mustSave(t, b, recordOf(n, 1, 10))
	}
	checkpoint(t, b)
	swap := func(tx *bbolt.Tx) error { // a good record in another's place is damage too
		slots := tx.Bucket(slotBucket)
		return slots.Put([]byte(slotKey(1).String()), slots.Get([]byte(slotKey(0).String())))
	}
	if err := b.db.Update(swap); err != nil {
		t.Fatal(err)
	}
	got, err := tryState(t, b)
	if !maps.Equal(got, map[moq.Key]int{slotKey(0): 1, slotKey(2): 1}) {
		t.Errorf("got %v", got)
	}
	expectFault(t, err, fault.Permanent, slotKey(1).String(), "checksum", "backup", "tokens prune")
}

// A journal with a damaged record is opened, to name it, and not written to.
func TestAJournalWithADamagedRecordIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	mustSave(t, b, recordOf(1, 1, 10))
	shut(t, b)
	bad := bytes.ReplaceAll(read(t, dir), []byte("first_seen"), []byte("first_soon"))
	write(t, dir, bad)
	b, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryState(t, b); !errors.Is(err, ErrDamaged) {
		t.Errorf("err = %v", err)
	}
	shut(t, b)
	if !bytes.Equal(read(t, dir), bad) {
		t.Error("it was written to")
	}
}

func TestLoadNamesTheFirstOfManyDamagedRecords(t *testing.T) {
	b := open(t, t.TempDir())
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		for n := range fault.NamedAtMost + 5 {
			if err := tx.Bucket(slotBucket).Put([]byte(slotKey(n).String()), []byte("rubbish")); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, err := tryState(t, b)
	expectFault(t, err, fault.Permanent, slotKey(0).String(), slotKey(fault.NamedAtMost-1).String(), "and 5 more")
}

func TestNoDamageIsTakenForGoodAndNoneEndsTheProcess(t *testing.T) {
	t.Parallel()
	image, want := sample(t)
	dir := t.TempDir()
	damaged := 0
	for at := 0; at < len(image); at += 31 {
		bad := append([]byte(nil), image...)
		bad[at] ^= 1 << (at % 8)
		if survives(t, dir, bad, want, int64(at)) {
			continue
		}
		damaged++
	}
	if damaged < 100 {
		t.Errorf("only %d changed bytes were noticed", damaged)
	}
	for size := len(image) - 1; size > 0; size -= 4001 {
		survives(t, dir, image[:size], want, -1)
	}
}

// sample is the file of a journal with some of everything in it.
func sample(t testing.TB) (image []byte, want map[moq.Key]int) {
	t.Helper()
	dir := t.TempDir()
	b := open(t, dir)
	want = map[moq.Key]int{}
	for n := range 10 {
		mustSave(t, b, recordOf(n, 1, 100+n*90), eventOf(n, day, "detail"))
		want[slotKey(n)] = 1
	}
	size := int64(0) // the rest of the file is of no use yet
	if err := errors.Join(b.log.Checkpoint(t.Context()), b.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })); err != nil {
		t.Fatal(err)
	}
	shut(t, b)
	return read(t, dir)[:size], want
}

// survives opens an image with one changed byte and reports whether all was still
// there. A changed head page may bring back the commit before.
func survives(t *testing.T, dir string, image []byte, want map[moq.Key]int, at int64) bool {
	t.Helper()
	write(t, dir, image)
	b, err := Open(dir, Options{})
	if err != nil {
		if !isAny(err, damageErrors()) && !errors.Is(err, ErrNewer) {
			t.Fatalf("byte %d: not called damage: %v", at, err)
		}
		if string(read(t, dir)) != string(image) {
			t.Fatalf("byte %d: the refused file was touched", at)
		}
		return false
	}
	defer shut(t, b)
	got, err := tryState(t, b)
	for k, v := range got {
		if want[k] != v {
			t.Fatalf("byte %d: %s says %d, want %d", at, k, v, want[k])
		}
	}
	if err == nil && len(got) != len(want) && !isHead(at) {
		t.Fatalf("byte %d: %d of %d records, and no error", at, len(got), len(want))
	}
	_, historyErr := b.History(t.Context(), nil, 0)
	return err == nil && historyErr == nil
}

func TestWhatWasWrittenInAnyOrderIsNeverCalledDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	dir, want, moments := t.TempDir(), map[moq.Key]int{}, 0
	for round := range 8 {
		b := open(t, dir)
		expectState(t, b, want)
		var wg sync.WaitGroup
		for n := range 100 {
			r := recordOf(n, round, random.IntN(1<<random.IntN(16)))
			want[r.Key] = round
			var events []slot.Event
			for range random.IntN(40) {
				moments++
				events = append(events, eventOf(n, day.Add(time.Duration(moments)*time.Second), "detail"))
			}
			wg.Go(func() {
				if err := b.Save(t.Context(), r, events...); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		shut(t, b)
	}
}

func TestOpenRefusesAFileThatIsNoJournal(t *testing.T) {
	for name, image := range map[string]string{"text": "hello", "long text": strings.Repeat("hello ", 10_000), "zeros": string(make([]byte, 65536))} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, []byte(image))
			_, err := Open(dir, Options{})
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("err = %v", err)
			}
			expectFault(t, err, fault.Permanent, "backup", "aside", "tokens prune")
		})
	}
}

func FuzzDecodeRecord(f *testing.F) {
	key := []byte(slotKey(1).String())
	f.Add(key, encodeEnvelope(key, []byte(`{"key":{}}`)))
	f.Add(key, []byte{envelopeVersion})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		var r slot.Record
		err := raw{key, value}.decodeRecord(&r)
		if err == nil && r.Key.String() != string(key) {
			t.Fatalf("record %v of %q", r, key)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("not called damage: %v", err)
		}
		if content, err := decodeEnvelope(key, encodeEnvelope(key, value)); err != nil || string(content) != string(value) {
			t.Fatalf("%q became %q, %v", value, content, err)
		}
	})
}

// What the log holds is read back as changes, whatever it is.
func FuzzChanges(f *testing.F) {
	f.Add(appendChange(appendChange(nil, slotBucket, []byte("key"), []byte("value")), historyBucket, nil, nil))
	f.Add([]byte("s\x03key"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, entry []byte) {
		changes, err := changesOf([][]byte{entry})
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("not called damage: %v", err)
		}
		for _, c := range latestOfEach(changes) {
			if len(c.key)+len(c.value) > len(entry) {
				t.Fatalf("%q has a change %q", entry, c)
			}
		}
	})
}

func BenchmarkOpenOf100000(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	j := open(b, dir)
	var wg sync.WaitGroup
	for worker := range 1000 {
		wg.Go(func() {
			for i := worker; i < n; i += 1000 {
				if err := j.Save(b.Context(), recordOf(i, 1, 2000), eventOf(i, day, "rotated")); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	shut(b, j)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			shut(b, open(b, dir))
		}
	})
	j = open(b, dir)
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			state(b, j)
		}
	})
	b.Run("history", func(b *testing.B) {
		for b.Loop() {
			if _, err := j.History(b.Context(), nil, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}
