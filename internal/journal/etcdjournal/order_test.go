package etcdjournal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/slot"
)

// What may become of a transaction that is sent.
const (
	answered   = "answered"
	lost       = "answer lost"              // it was carried out
	beforeNext = "lands before the next"    // and no answer came; right before the next is sent
	afterNext  = "lands after the next"     // right after the next was answered, or lost
	atTheEnd   = "lands at the end"         // when all was saved
	never      = "never lands"              // it was lost itself
	givenUp    = "given up, lands later on" // its caller waits no longer: before the next but one
)

func fates() []string {
	return []string{answered, lost, beforeNext, afterNext, atTheEnd, never, givenUp}
}

// fateful is an etcd whose transactions meet the fates of a script, one after the other; and then all are answered.
type fateful struct {
	mu     sync.Mutex
	script []string
	sent   int
	due    map[int][]func() // by how many were sent
	giveUp context.CancelFunc
}

const theEnd = 1 << 20

// meet begins a script.
func (f *fateful) meet(script []string) { f.script, f.sent, f.due = script, 0, map[int][]func(){} }

func (f *fateful) transact(ctx context.Context, _ any, call func(context.Context) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.giveUp == nil { // the store is being opened
		return call(ctx)
	}
	fate := answered
	if f.sent < len(f.script) {
		fate = f.script[f.sent]
	}
	n := f.sent
	f.sent++
	f.land(2 * n)
	defer f.land(2*n + 1)
	late := func() { _ = call(context.WithoutCancel(ctx)) }
	switch fate {
	case answered:
		return call(ctx)
	case lost:
		late()
	case beforeNext:
		f.due[2*n+2] = append(f.due[2*n+2], late)
	case afterNext:
		f.due[2*n+3] = append(f.due[2*n+3], late)
	case givenUp:
		f.due[2*n+4] = append(f.due[2*n+4], late)
		f.giveUp()
	case atTheEnd:
		f.due[theEnd] = append(f.due[theEnd], late)
	}
	return status.Error(codes.Unavailable, "the connection broke")
}

func (f *fateful) land(at int) {
	for _, late := range f.due[at] {
		late()
	}
	delete(f.due, at)
}

func (f *fateful) landAll() {
	for at := range f.due {
		f.land(at)
	}
}

// Whatever becomes of three transactions of a slot, and whenever they land: a save that was acknowledged stays until the
// next one, and nothing of it is taken for somebody else's.
func TestASaveWhoseAnswerWasLostIsSavedOnceWhateverLandsLate(t *testing.T) {
	w := newWorld(t, 1)
	scripts := make(chan []string)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			f := &fateful{}
			s := w.at(fmt.Sprint("/place", n)).open(t, Options{limits: limits{rest: time.Microsecond}}, between("Txn", f.transact))
			tried := 0
			for script := range scripts {
				tried++
				f.meet(script)
				if err := f.saveFour(t, s, tried); err != nil {
					t.Errorf("%s: %v", strings.Join(script, ", then "), err)
				}
			}
		})
	}
	for _, a := range fates() {
		for _, b := range fates() {
			for _, c := range fates() {
				scripts <- []string{a, b, c}
			}
		}
	}
	close(scripts)
	all.Wait()
}

// saveFour makes four saves of one slot, each with an event.
func (f *fateful) saveFour(t *testing.T, s *Store, n int) error {
	var told []string
	for version := 1; version <= 4; version++ {
		ctx, cancel := context.WithCancel(t.Context())
		f.giveUp = cancel
		err := s.Save(ctx, journaltest.Record(n, version, 10), journaltest.Event(n, version, fmt.Sprint(version)))
		cancel()
		switch {
		case err == nil:
			told = append(told, fmt.Sprint(version))
			if err := expectVersion(t, s, n, version); err != nil {
				return fmt.Errorf("acknowledged: %w", err)
			}
		case version == 4 || !errors.Is(err, context.Canceled):
			return fmt.Errorf("version %d: %w", version, err)
		}
	}
	f.landAll()
	if err := expectVersion(t, s, n, 4); err != nil {
		return fmt.Errorf("in the end: %w", err)
	}
	return toldOnce(t, s, n, told)
}

// expectVersion wants a version where another store would read it.
func expectVersion(t *testing.T, s *Store, n, want int) error {
	answer, err := s.client.Get(t.Context(), s.full(slotKey(journaltest.Key(n))))
	if err != nil || len(answer.Kvs) == 0 {
		return fmt.Errorf("there is no record (%w)", err)
	}
	var r slot.Record
	if err := s.decodeRecord(answer.Kvs[0], &r); err != nil {
		return err
	}
	if got := journaltest.VersionOf(&r); got != want {
		return fmt.Errorf("version %d, and etcd holds %d", want, got)
	}
	return nil
}

// toldOnce wants the events of all saves of a slot that were acknowledged in its history, each once.
func toldOnce(t *testing.T, s *Store, n int, want []string) error {
	key := journaltest.Key(n)
	events, err := s.History(t.Context(), &key, 0)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, e := range events {
		if count[e.Detail]++; count[e.Detail] > 1 {
			return fmt.Errorf("event %s is told twice", e.Detail)
		}
	}
	for _, detail := range want {
		if count[detail] != 1 {
			return fmt.Errorf("event %s is not told", detail)
		}
	}
	return nil
}

// An answer is lost on the way, as by a network that breaks.
func TestASaveWhoseAnswerIsSwallowedIsMadeOnce(t *testing.T) {
	w := newWorld(t, 1)
	p := newProxy(t, strings.TrimPrefix(w.Members[0].Endpoint, "http://"))
	s := w.openAt(t, []string{"http://" + p.address}, Options{limits: limits{call: 500 * time.Millisecond}})
	mustSave(t, s, 1, 1)
	watched := w.Client.Watch(t.Context(), w.full(1))
	p.swallow()
	saved := make(chan error, 1)
	go func() { saved <- save(t, s, 1, 2) }()
	<-watched // it is there
	p.cut()
	if err := <-saved; err != nil {
		t.Fatal(err)
	}
	answer, err := w.Client.Get(t.Context(), w.full(1))
	if err != nil || answer.Kvs[0].Version != 2 {
		t.Errorf("the record was written %d times (%v), want 2", answer.Kvs[0].Version, err)
	}
	mustSave(t, s, 1, 3)
	expectVersions(t, s, map[int]int{1: 3})
}
