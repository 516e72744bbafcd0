package etcdjournal

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestLoadNamesWhatNobodyOfUsWroteAndGivesTheOthers(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	for n := range 5 {
		mustSave(t, s, n, 1)
	}
	w.put(t, w.full(1), w.raw(t, w.full(0))) // a good record in another's place
	w.put(t, w.full(2), nil)
	w.put(t, w.full(3), append([]byte{envelopeVersion + 1}, w.raw(t, w.full(3))[1:]...)) // says it is newer
	got, err := versions(t, s)
	if !maps.Equal(got, map[int]int{0: 1, 4: 1}) {
		t.Errorf("got %v", got)
	}
	if !errors.Is(err, durable.ErrDamaged) {
		t.Errorf("err = %v", err)
	}
	for n, word := range map[int]string{1: "moved to another key", 2: "too few", 3: "not signed"} {
		if !strings.Contains(err.Error(), w.full(n)) || !strings.Contains(err.Error(), word) {
			t.Errorf("%v lacks %s, %s", err, w.full(n), word)
		}
	}
	expectFault(t, err, fault.Permanent, fault.Invalid, "snapshot")
}

// Every byte of a value counts.
func TestNoChangedByteIsBelieved(t *testing.T) {
	s := newSigner([]secret.Value{newKey(t)}, Term{})
	value := s.seal("slots/a", 7, []byte(`{"key":1}`))
	for i := range len(value) {
		changed := []byte(value)
		changed[i] ^= 1
		if _, _, err := s.open("slots/a", changed); !errors.Is(err, durable.ErrDamaged) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	if content, by, err := s.open("slots/a", []byte(value)); err != nil || string(content) != `{"key":1}` || !s.isOurs(by) || by.sequence != 7 {
		t.Errorf("%q by %v, %v", content, by, err)
	}
	if _, _, err := s.open("slots/b", []byte(value)); !errors.Is(err, errForeign) {
		t.Errorf("at another key: %v", err)
	}
}

func TestLoadGoesThroughAllPages(t *testing.T) {
	w := newWorld(t, 1)
	want := map[int]int{}
	s := w.open(t, Options{limits: limits{page: 3}})
	for n := range 7 {
		expectVersions(t, s, want)
		mustSave(t, s, n, 1, journaltest.Event(n, n, "an event"))
		want[n] = 1
	}
	expectVersions(t, s, want)
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) != 7 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// What is read is of one revision, even if it is saved meanwhile; and where that was compacted it is read again.
func TestLoadBeginsAnewWhereEtcdCompactsMeanwhile(t *testing.T) {
	w := newWorld(t, 1)
	var armed, calls atomic.Int32
	s := w.open(t, Options{limits: limits{page: 2}}, between("Range", func(ctx context.Context, request any, call func(context.Context) error) error {
		if armed.Load() > 0 && request.(*etcdserverpb.RangeRequest).Revision > 0 && armed.Add(-1) >= 0 {
			calls.Add(1)
			answer, err := w.Client.Put(ctx, "elsewhere", "")
			if err == nil {
				_, err = w.Client.Compact(ctx, answer.Header.Revision)
			}
			if err != nil {
				return err
			}
		}
		return call(ctx)
	}))
	want := map[int]int{}
	for n := range 7 {
		mustSave(t, s, n, 1)
		want[n] = 1
	}
	armed.Store(2)
	visits := 0
	if err := s.Load(t.Context(), func(*slot.Record) error { visits++; return nil }); err != nil || visits != 7 || calls.Load() != 2 {
		t.Errorf("%d visits, %d compactions, %v", visits, calls.Load(), err)
	}
	expectVersions(t, s, want)
	if s.Revision() == 0 {
		t.Error("the revision that was read is not known")
	}
}

func TestADamagedHistoryIsNamedAndBegunAnew(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1, journaltest.Event(1, 0, "lost"))
	mustSave(t, s, 2, 1, journaltest.Event(2, 0, "good"))
	key := w.prefix + "/" + historyKey(journaltest.Key(1))
	w.put(t, key, []byte("rubbish"))
	events, err := s.History(t.Context(), nil, 0)
	if len(events) != 1 || events[0].Detail != "good" {
		t.Errorf("events %v", events)
	}
	expectFault(t, err, fault.Permanent, fault.Invalid, key)
	mustSave(t, s, 1, 2, journaltest.Event(1, 1, "anew"))
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) != 2 || events[0].Detail != "anew" {
		t.Errorf("events %v, %v", events, err)
	}
}

// Events that would take too much room give way to newer ones.
func TestAHistoryHasItsLimit(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	long := strings.Repeat("x", maxHistory/3)
	for i := range 4 {
		mustSave(t, s, 1, i, journaltest.Event(1, i, long))
	}
	mustSave(t, s, 1, 5, journaltest.Event(1, 5, strings.Repeat(long, 4)))
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) != 0 {
		t.Errorf("%d events, %v", len(events), err)
	}
	mustSave(t, s, 1, 6, journaltest.Event(1, 6, "short"))
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
}
