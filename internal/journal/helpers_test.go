package journal

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/wal"
)

var day = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

func slotKey(n int) moq.Key {
	return moq.Key{AccountID: strings.Repeat("a", 32), RelayID: fmt.Sprintf("%032x", n), Type: moq.Subscribe}
}

// recordOf is a record of slot n that tells version from version, size bytes or a little more long.
func recordOf(n, version, size int) *slot.Record {
	return &slot.Record{
		Key: slotKey(n), FirstSeen: slot.TimestampOf(day), MetThrough: slot.TimestampOf(day.Add(time.Duration(version) * time.Second)),
		Rotation: &slot.Rotation{ID: fmt.Sprint(version), Phase: slot.Minted, Sealed: make([]byte, size*3/4)},
	}
}

func eventOf(n int, at time.Time, detail string) slot.Event {
	return slot.Event{At: at, Key: slotKey(n), Slot: fmt.Sprint("relay", n, "/subscribe"), Kind: slot.EventRotated, Detail: detail}
}

func open(t testing.TB, dir string) *Bolt {
	t.Helper()
	return openWith(t, dir, Options{})
}

func openWith(t testing.TB, dir string, o Options) *Bolt {
	t.Helper()
	b := openUnused(t, dir, o)
	if err := b.log.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// openUnused opens a journal whose log is not in use yet.
func openUnused(t testing.TB, dir string, o Options) *Bolt {
	t.Helper()
	h := &hooked{}
	o.wrapLog = func(f wal.File) wal.File { h.File = f; return h }
	b, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	logs.Store(b, h)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// logs are the logs' files, by journal: *Bolt to *hooked.
var logs sync.Map

func mustSave(t testing.TB, b *Bolt, r *slot.Record, events ...slot.Event) {
	t.Helper()
	if err := b.Save(t.Context(), r, events...); err != nil {
		t.Fatal(err)
	}
}

func shut(t testing.TB, b *Bolt) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// state is what every record's Met says, in seconds after day.
func state(t testing.TB, b *Bolt) map[moq.Key]int {
	t.Helper()
	found, err := tryState(t, b)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func tryState(t testing.TB, b *Bolt) (map[moq.Key]int, error) {
	t.Helper()
	found := map[moq.Key]int{}
	err := b.Load(t.Context(), func(r *slot.Record) error {
		found[r.Key] = int(r.MetThrough.Time().Sub(day) / time.Second)
		return nil
	})
	return found, err
}

func expectState(t testing.TB, b *Bolt, want map[moq.Key]int) {
	t.Helper()
	if got := state(t, b); !maps.Equal(got, want) {
		t.Fatalf("journal holds %v, want %v", got, want)
	}
}

func expectFault(t testing.TB, err error, class fault.Class, words ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v is no fault", err)
	}
	if f.Class != class || (f.Reason == fault.Storage) != (class == fault.Retry) {
		t.Errorf("%v is %s, %s", err, f.Class, f.Reason)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
}

// onWrite puts itself between bbolt and its file: tests see, refuse or delay each
// write. bbolt keeps that seam to itself.
func onWrite(t testing.TB, b *Bolt, hook func(p []byte, off int64, write func() (int, error)) (int, error)) {
	t.Helper()
	writeAt := writeAtOf(b)
	inner := *writeAt
	*writeAt = func(p []byte, off int64) (int, error) {
		return hook(p, off, func() (int, error) { return inner(p, off) })
	}
}

func writeAtOf(b *Bolt) *func([]byte, int64) (int, error) {
	field := reflect.ValueOf(boltOf(b)).Elem().FieldByName("ops").FieldByName("writeAt")
	return (*func([]byte, int64) (int, error))(unsafe.Pointer(field.UnsafeAddr()))
}

func boltOf(b *Bolt) *bbolt.DB {
	return (*bbolt.DB)(reflect.ValueOf(b.db.File).Elem().FieldByName("db").UnsafePointer())
}

// onLog puts itself between the log and its file, as onWrite does for bbolt.
func onLog(b *Bolt, hook func(p []byte, off int64, write func() (int, error)) (int, error)) {
	h, _ := logs.Load(b)
	h.(*hooked).hook.Store(&hook)
}

type hooked struct {
	wal.File
	hook atomic.Pointer[func(p []byte, off int64, write func() (int, error)) (int, error)]
}

func (h *hooked) WriteAt(p []byte, off int64) (int, error) {
	write := func() (int, error) { return h.File.WriteAt(p, off) }
	if hook := h.hook.Load(); hook != nil {
		return (*hook)(p, off, write)
	}
	return write()
}

// A log's file, as it is laid out.
const (
	logSize   = 1 << 20
	smallLog  = 256 << 10
	block     = 4 << 10
	batchHead = 28
)

// checkpoint has the database hold everything.
func checkpoint(t testing.TB, b *Bolt) {
	t.Helper()
	if err := b.log.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// isHead reports whether a write is of one of the two head pages, which ends a commit.
func isHead(off int64) bool { return off < 2*int64(os.Getpagesize()) }
