package boltfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/durable"
)

func bucket() []byte { return []byte("bucket") }

func fill(tx *bbolt.Tx) error {
	_, err := tx.CreateBucketIfNotExists(bucket())
	return err
}

func sound(*bbolt.Tx) error { return nil }

func open(t *testing.T, path string) *File {
	t.Helper()
	if err := Ensure(path, durable.Kernel().Publish, fill); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, sound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func put(t *testing.T, f *File, key, value string) {
	t.Helper()
	write := func(tx *bbolt.Tx) error { return tx.Bucket(bucket()).Put([]byte(key), []byte(value)) }
	if err := f.Update(write); err != nil {
		t.Fatal(err)
	}
}

func expectValue(t *testing.T, f *File, key, want string) {
	t.Helper()
	got := ""
	read := func(tx *bbolt.Tx) error { got = string(tx.Bucket(bucket()).Get([]byte(key))); return nil }
	if err := f.View(read); err != nil || got != want {
		t.Errorf("%s is %q, want %q (%v)", key, got, want, err)
	}
}

func TestAFileIsRefusedByWhoJudgesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if _, err := Open(path, func(*bbolt.Tx) error { return no }); !errors.Is(err, no) {
		t.Errorf("err = %v", err)
	}
}

// Where bbolt finds the free pages by itself.
func TestAFileWithoutAListOfFreePagesIsOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Update(sound), db.Close()); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	put(t, f, "key", "value")
	expectValue(t, f, "key", "value")
}

func TestALostFileIsRenewed(t *testing.T) {
	for name, lose := range map[string]func(string) error{
		"deleted":   os.Remove,
		"cut short": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			f := open(t, path)
			put(t, f, "key", "old")
			if err := errors.Join(lose(path), f.Renew(durable.Kernel().Publish, func(anew *File) error {
				w := NewWriter(anew, bucket())
				return errors.Join(anew.Update(fill), w.Put([]byte("key"), []byte("new")), w.Flush())
			})); err != nil {
				t.Fatal(err)
			}
			expectValue(t, f, "key", "new")
			if err := errors.Join(f.FindTrouble(), f.Close()); err != nil {
				t.Fatal(err)
			}
			expectValue(t, open(t, path), "key", "new")
		})
	}
}

// A file that is not whole would be taken for the present by the next start.
func TestAFileThatCannotBeWrittenWholeTakesNoName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	f := open(t, path)
	put(t, f, "key", "old")
	full := errors.New("no space")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fail := func(anew *File) error { return errors.Join(anew.Update(fill), full) }
	if err := f.Renew(durable.Kernel().Publish, fail); !errors.Is(err, full) {
		t.Errorf("err = %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
	expectValue(t, f, "key", "old")
}

// The system answers a read of a mapped page that is not there with a signal, which would end
// the process; bbolt's locks are then held by nobody who gives them back.
func TestAFileThatCrashedIsNotUsedAnyMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	f := open(t, path)
	put(t, f, "key", string(make([]byte, 100_000)))
	if err := os.Truncate(path, 2*int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := f.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket()).Put([]byte("key"), nil) })
		if !errors.Is(err, durable.ErrDamaged) || f.WhyBroken() == nil {
			t.Errorf("err = %v, broken: %v", err, f.WhyBroken())
		}
	}
	if f.IsReadable() {
		t.Error("it can be read")
	}
}
