package wal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/durable"
)

// memory is a store that keeps what it is given, each entry as a word.
type memory struct {
	mu    sync.Mutex
	words []string
	state State
	fails func(s State) (err error, kept bool) // if set
}

func (m *memory) Checkpoint(entries [][]byte, s State) error {
	m.mu.Lock()
	fails := m.fails
	m.mu.Unlock()
	var err error
	kept := true
	if fails != nil {
		err, kept = fails(s)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil || kept {
		m.words = append(m.words, wordsOf(entries)...)
		m.state = s
	}
	return err
}

func (m *memory) fail(f func(s State) (err error, kept bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = f
}

// copied is the store as a crash at this moment leaves it.
func (m *memory) copied() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{words: slices.Clone(m.words), state: m.state}
}

// A word ends with a space.
func wordsOf(entries [][]byte) []string {
	return strings.Fields(string(slices.Concat(entries...)))
}

func entryOf(word string, size int) []byte {
	return []byte(word + strings.Repeat(" ", max(1, size-len(word))))
}

// world is a log, its store and what is written between the log and its file.
type world struct {
	*testing.T
	path  string
	store *memory
	log   *Log
	file  hooked
}

type hook func(p []byte, off int64, write func() (int, error)) (int, error)

// hooked is a file in between.
type hooked struct {
	File
	mu sync.Mutex
	on hook
}

func (h *hooked) WriteAt(p []byte, off int64) (int, error) {
	h.mu.Lock()
	on := h.on
	h.mu.Unlock()
	write := func() (int, error) { return h.File.WriteAt(p, off) }
	if on == nil {
		return write()
	}
	return on(p, off, write)
}

func (w *world) onWrite(on hook) {
	w.file.mu.Lock()
	defer w.file.mu.Unlock()
	w.file.on = on
}

func (w *world) options() Options {
	return Options{
		Path: w.path, Store: w.store, State: w.store.state, Publish: durable.Kernel().Publish,
		WrapFile: func(f File) File { w.file.File = f; return &w.file },
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, path: filepath.Join(t.TempDir(), "log"), store: &memory{}}
	w.open()
	return w
}

// open opens the log of the store as it is, and ends it with the test.
func (w *world) open() {
	w.Helper()
	if err := w.tryOpen(w.options()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tryOpen(o Options) error {
	l, err := Open(o)
	if err != nil {
		return err
	}
	w.log = l
	w.Cleanup(func() { _ = l.Close() })
	return l.Recover()
}

func (w *world) append(words ...string) {
	w.Helper()
	for _, word := range words {
		if err := w.log.Append(w.Context(), entryOf(word, 0)); err != nil {
			w.Fatal(err)
		}
	}
}

// kill ends the log as a crash would, and goes on with a copy of the store.
func (w *world) kill() {
	w.Helper()
	store := w.store.copied()
	w.store.fail(func(State) (error, bool) { return errors.New("killed"), false })
	_ = w.log.Close()
	w.store = store
}

// restart kills the log and opens it again.
func (w *world) restart() {
	w.Helper()
	w.kill()
	w.open()
}

func (w *world) checkpoint() {
	w.Helper()
	if err := w.log.Checkpoint(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// expect expects the store to hold the words, each once or, after a crash, more often.
func (w *world) expect(words ...string) {
	w.Helper()
	if got := w.store.copied().words; !slices.Equal(got, words) {
		w.Fatalf("the store holds %q, want %q", got, words)
	}
}

func (w *world) read() []byte {
	w.Helper()
	b, err := os.ReadFile(w.path)
	if err != nil {
		w.Fatal(err)
	}
	return b
}

func (w *world) write(image []byte) {
	w.Helper()
	if err := os.WriteFile(w.path, image, 0o600); err != nil {
		w.Fatal(err)
	}
}

func TestWhatIsAppendedIsInTheStoreAfterTheEnd(t *testing.T) {
	w := newWorld(t)
	w.append("one", "two")
	w.expect() // in the log alone
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
	w.expect("one", "two")
	if err := w.log.Append(t.Context(), entryOf("three", 0)); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if len(w.store.state.Session) > 0 {
		t.Error("the store still needs the log")
	}
}

func TestWhatIsAppendedIsInTheStoreAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	w.checkpoint()
	w.append("two", "three")
	w.restart()
	w.expect("one", "two", "three")
	w.append("four")
	w.restart()
	w.expect("one", "two", "three", "four")
}

func TestALogThatIsNotUsedIsNotWrittenTo(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
	before, state := w.read(), w.store.state
	w.open()
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.read(), before) || w.store.state.Seq != state.Seq {
		t.Error("the log or the store was written to")
	}
}

func TestALogIsInUseOnce(t *testing.T) {
	w := newWorld(t)
	if _, err := Open(w.options()); !errors.Is(err, ErrInUse) {
		t.Errorf("err = %v", err)
	}
}

func TestUnappliedIsWhatTheStoreLacks(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	w.checkpoint()
	w.append("two")
	w.store.fail(func(State) (error, bool) { return errors.New("full"), false })
	if w.log.Checkpoint(t.Context()) == nil {
		t.Fatal("the store took it")
	}
	w.append("three")
	entries, err := w.log.Unapplied(t.Context())
	if got := wordsOf(entries); err != nil || !slices.Equal(got, []string{"two", "three"}) {
		t.Errorf("%q (%v)", got, err)
	}
}

func TestACheckpointThatFailedIsMadeAgain(t *testing.T) {
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprint("kept ", kept), func(t *testing.T) {
			w := newWorld(t)
			w.append("one")
			var observed int
			w.log.options.Observe = func(_ time.Duration, err error) {
				if err != nil {
					observed++
				}
			}
			w.store.fail(func(State) (error, bool) { return errors.New("full"), kept })
			for range 3 {
				if w.log.Checkpoint(t.Context()) == nil {
					t.Error("the store took it")
				}
			}
			if observed != 3 {
				t.Errorf("%d failures observed, want 3", observed)
			}
			w.store.fail(nil)
			w.append("two")
			w.restart()
			got := w.store.copied().words // what was kept came again
			if last := got[len(got)-2:]; !slices.Equal(last, []string{"one", "two"}) && !kept || got[len(got)-1] != "two" {
				t.Errorf("the store holds %q", got)
			}
		})
	}
}

// A store may keep the name of a session and fail to say so.
func TestASessionThatFailedToBeginIsBegunAgainUnderItsName(t *testing.T) {
	w := newWorld(t)
	var names [][]byte
	w.store.fail(func(s State) (error, bool) {
		if names = append(names, s.Session); len(names) == 1 {
			return errors.New("failed"), true
		}
		return nil, true
	})
	if err := w.log.Append(t.Context(), entryOf("lost", 0)); err == nil {
		t.Error("appended without a session")
	}
	w.append("one")
	if len(names) != 2 || !slices.Equal(names[0], names[1]) {
		t.Errorf("sessions %x", names)
	}
	w.restart()
	w.expect("one")
}

// What the file's block and numbers are must not change: logs of earlier releases are read.
func TestTheFormatIsTheOneOfEarlierReleases(t *testing.T) {
	s := segments{}
	s.useSession([]byte("sixteen letters."))
	got := fmt.Sprintf("%x", encodeBatch(nil, s.seed, 7, 5, [][]byte{[]byte("one "), []byte("two")}))
	want := "19159cac" + "6c6f6731" + "00000007" + "0000000000000007" + "0000000000000005" + "6f6e652074776f"
	if got != want {
		t.Errorf("a batch is %s, want %s", got, want)
	}
	sizes := map[int64][2]int64{fileSize: {520192, 1044480}, smallFile: {126976, 258048}, 100: {0, -block}}
	for size, want := range sizes {
		if s := segmentsOf(nil, size); s.size != want[0] || s.markAt() != want[1] {
			t.Errorf("of %d bytes a segment takes %d, and the mark is at %d", size, s.size, s.markAt())
		}
	}
}

// Paused, all of it is still.
func TestAPauseHoldsUpAppendsAndCheckpoints(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	p, err := w.log.Pause(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 2)
	go func() { cancelled <- w.log.Append(ctx, entryOf("two", 0)) }()
	go func() { cancelled <- w.log.Checkpoint(ctx) }()
	cancel()
	for range 2 {
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
	}
	if got := wordsOf(p.Unapplied()); !slices.Equal(got, []string{"one"}) {
		t.Errorf("unapplied %q", got)
	}
	p.Resume()
	w.append("three")
	w.checkpoint()
	w.expect("one", "three")
}

func TestALostFileIsRenewed(t *testing.T) {
	for name, lose := range map[string]func(string) error{
		"deleted":   os.Remove,
		"cut short": func(path string) error { return os.Truncate(path, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.append("one")
			if err := lose(w.path); err != nil {
				t.Fatal(err)
			}
			if err := w.log.FindTrouble(); !errors.Is(err, durable.ErrLost) {
				t.Errorf("trouble: %v", err)
			}
			p, err := w.log.Pause(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = p.Renew(true)
			p.Resume()
			if err := errors.Join(err, w.log.FindTrouble(), w.log.CheckMark(t.Context())); err != nil {
				t.Fatal(err)
			}
			w.append("two")
			w.restart()
			w.expect("one", "two")
		})
	}
}

// Nothing is acknowledged that the next start would not find.
func TestNothingIsAppendedAfterARenewalThatFailed(t *testing.T) {
	w := newWorld(t)
	w.append("one")
	p, err := w.log.Pause(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.store.fail(func(State) (error, bool) { return errors.New("full"), false })
	if p.Renew(true) == nil {
		t.Error("renewed")
	}
	p.Resume()
	err = w.log.Append(t.Context(), entryOf("two", 0))
	if !errors.Is(err, errNoSession) || !errors.Is(err, durable.ErrLost) {
		t.Errorf("err = %v", err)
	}
}

func TestAnotherLogThatIsCopiedOverIsNoticed(t *testing.T) {
	w := newWorld(t)
	before := w.read()
	w.append("one")
	w.write(before)
	if err := w.log.CheckMark(t.Context()); !errors.Is(err, durable.ErrOverwritten) {
		t.Errorf("err = %v", err)
	}
}
