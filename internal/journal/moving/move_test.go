package moving_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/moving"
)

func TestAJournalIsMovedToEtcdAndBack(t *testing.T) {
	w := newWorld(t)
	embedded, etcd := w.embedded(), w.inEtcd()
	w.fill(embedded, 1000, 2)
	last := w.held(embedded, 5000)
	r := w.mustMove(embedded, etcd)
	if r.Slots != 1000 || r.Events != 5000 || r.LeftBehind != 1000 || r.Accounts != 1 {
		t.Errorf("the move tells %+v", r)
	}
	if got := w.held(etcd, 0); got != w.shorten(last, 1000) {
		t.Error("etcd tells its records or the last thousand events otherwise")
	}
	if got := w.usable(embedded, etcd); fmt.Sprint(got) != "[etcd]" {
		t.Errorf("usable are %v", got)
	}
	w.fill(etcd, 1, 3)
	last = w.held(etcd, 5000)
	if r = w.mustMove(etcd, embedded); r.Slots != 1000 || r.Events != 5000 || r.LeftBehind != 0 {
		t.Errorf("the way back tells %+v", r)
	}
	if got := w.held(embedded, 5000); got != last {
		t.Errorf("the embedded store tells it otherwise")
	}
	if got := w.usable(embedded, etcd); fmt.Sprint(got) != fmt.Sprint([]string{w.folder}) {
		t.Errorf("usable are %v", got)
	}
	w.fill(embedded, 1, 4)
	last = w.held(embedded, 5)
	w.mustMove(embedded, etcd) // and there again
	if got := w.held(etcd, 5); got != last {
		t.Error("etcd tells it otherwise")
	}
}

func TestAnAccountsDamagedNoteIsLeftBehind(t *testing.T) {
	w := newWorld(t)
	embedded, etcd := w.embedded(), w.inEtcd()
	w.fill(etcd, 3, 1)
	key := w.prefix + "/meta/account/somebody"
	if _, err := w.etcd.Client.Put(t.Context(), key, "rubbish"); err != nil {
		t.Fatal(err)
	}
	r, told, err := w.move(etcd, embedded, 0)
	if err != nil || r.Slots != 3 || r.Accounts != 1 {
		t.Errorf("the move tells %+v, %v", r, err)
	}
	if !strings.Contains(strings.Join(told, "\n"), key) {
		t.Errorf("it tells %q", told)
	}
}

// shorten leaves so many events in what is held.
func (world) shorten(held string, events int) string {
	const head = 3
	return strings.Join(strings.SplitAfter(held, "\n")[:head+events], "")
}

func TestEventsOfALaterTimeComeAfterThoseThatWereMoved(t *testing.T) {
	w := newWorld(t)
	embedded, etcd := w.embedded(), w.inEtcd()
	w.fill(embedded, 3, 2)
	for _, move := range [][2]side{{embedded, etcd}, {etcd, embedded}} {
		w.mustMove(move[0], move[1])
		w.fill(move[1], 1, 1) // its event is earlier by the clock
		if lines := strings.Split(w.held(move[1], 1), "\n"); lines[3] != "2 of slot 0 at 0" {
			t.Errorf("%s: the latest event is %q", move[1].name.Shown, lines[3])
		}
		w.fill(move[1], 3, 2)
	}
}

// TestAMoveThatEndsAnywhereIsFinishedByTheNext ends one before each of its writes: a note, an emptying, three slots, an
// account, two notes.
func TestAMoveThatEndsAnywhereIsFinishedByTheNext(t *testing.T) {
	const writes = 8
	w := newWorld(t)
	for stop := int64(1); stop <= writes; stop++ {
		t.Run(fmt.Sprint("before write ", stop), func(t *testing.T) {
			t.Parallel()
			w := w.elsewhere(t, int(stop))
			w.endAndFinish(w.embedded(), w.inEtcd(), stop)
			w.endAndFinish(w.inEtcd(), w.embedded(), stop) // the way back
		})
	}
}

func (w world) endAndFinish(from, to side, stop int64) {
	w.Helper()
	w.fill(from, 3, 1)
	want := w.held(from, 9)
	if _, _, err := w.move(from, to, stop); !errors.Is(err, errEnded) {
		w.Fatalf("the move that ends at write %d ends with %v", stop, err)
	}
	if got := w.usable(from, to); len(got) > 1 {
		w.Errorf("ended at write %d: usable are %v", stop, got)
	} else if len(got) == 1 && w.held(map[string]side{from.name.Argument: from, to.name.Argument: to}[got[0]], 9) != want {
		w.Errorf("ended at write %d: %s is usable, and is not whole", stop, got)
	}
	w.mustMove(from, to)
	if got := w.usable(from, to); fmt.Sprint(got) != fmt.Sprint([]string{to.name.Argument}) {
		w.Errorf("ended at write %d and finished: usable are %v", stop, got)
	}
	if got := w.held(to, 9); got != want {
		w.Errorf("ended at write %d and finished: what is held is\n%swant\n%s", stop, got, want)
	}
	if again := w.mustMove(from, to); again.Before.IsZero() {
		w.Errorf("the same move a third time did something: %+v", again)
	}
}

func TestAStoreWhoseJournalWasMovedSaysWhereItIsAndTheWayBack(t *testing.T) {
	w := newWorld(t)
	embedded, etcd := w.embedded(), w.inEtcd()
	w.fill(embedded, 1, 1)
	w.mustMove(embedded, etcd)
	w.expectRefused(embedded, "open journal", w.folder, "its journal was moved to etcd /rotatord at 2026-11-23T04:00:00Z",
		"rotatord state copy etcd "+w.folder)
	w.mustMove(etcd, embedded)
	w.expectRefused(etcd, "open journal", "its journal was moved to "+w.folder, "rotatord state copy "+w.folder+" etcd")
	_, _, err := w.move(embedded, etcd, 2)
	if !errors.Is(err, errEnded) {
		t.Fatal(err)
	}
	w.expectRefused(etcd, "the copy is not finished", "rotatord state copy "+w.folder+" etcd")
}

func (w world) expectRefused(s side, words ...string) {
	w.Helper()
	opened, err := s.open(false)
	if err == nil {
		_ = opened.Close()
		w.Fatalf("%s can be used", s.name.Shown)
	}
	w.expectFault(err, words...)
}

func (w world) expectFault(err error, words ...string) {
	w.Helper()
	if f := fault.Of(err); f == nil || f.Class != fault.Permanent {
		w.Errorf("%v is not permanent", err)
	}
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			w.Errorf("%v lacks %q", err, word)
		}
	}
}

func TestWhatSomebodyMayNeedIsNotOverwritten(t *testing.T) {
	w := newWorld(t)
	other := w.elsewhere(t, 1)
	w.fill(w.embedded(), 2, 1)
	w.fill(w.inEtcd(), 1, 1)
	w.fill(other.embedded(), 1, 1)
	w.mustNotMove(w.embedded(), w.inEtcd(), "etcd /rotatord holds a journal already", "another prefix")
	w.mustNotMove(w.inEtcd(), w.embedded(), w.folder+" holds a journal already", "mv "+w.folder)
	w.mustNotMove(other.inEtcd(), w.embedded(), "it holds no records")
	w.mustMove(other.embedded(), other.inEtcd())
	w.mustNotMove(other.embedded(), w.inEtcd(), "its journal was moved to etcd /elsewhere1")
	w.mustNotMove(w.embedded(), other.inEtcd(), "holds a journal already")
	w.mustNotMove(w.inEtcd(), other.embedded(), "holds a journal already", "it was moved on to etcd /elsewhere1")

	third := w.elsewhere(t, 2)
	if _, _, err := w.move(w.embedded(), third.inEtcd(), 5); !errors.Is(err, errEnded) {
		t.Fatal(err)
	}
	w.mustNotMove(other.inEtcd(), third.inEtcd(), "the journal of "+w.folder+" was being copied here", "rotatord state copy "+w.folder+" etcd")
	w.mustNotMove(third.inEtcd(), third.embedded(), "the copy is not finished")
}

// mustNotMove expects a move to be refused, and nothing to have changed.
func (w world) mustNotMove(from, to side, words ...string) {
	w.Helper()
	var before, after [2]moving.Note
	w.use(from, true, func(s store) { before[0] = s.Note() })
	w.use(to, true, func(s store) { before[1] = s.Note() })
	_, told, err := w.move(from, to, 0)
	w.expectFault(err, words...)
	w.use(from, true, func(s store) { after[0] = s.Note() })
	w.use(to, true, func(s store) { after[1] = s.Note() })
	if before != after || len(told) > 0 {
		w.Errorf("something was done: %v, then %v; told: %q", before, after, told)
	}
}
