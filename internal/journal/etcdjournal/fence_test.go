package etcdjournal

import (
	"errors"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
)

func TestNothingIsSavedOnceTheTermIsOver(t *testing.T) {
	w := newWorld(t, 1)
	for name, end := range map[string]func(world, *Store){
		"its key is gone":       func(w world, s *Store) { w.remove(t, s.term.Key) },
		"its key was made anew": func(w world, _ *Store) { w.lead(t, w.Client) },
	} {
		t.Run(name, func(t *testing.T) {
			w := w.at("/" + name)
			s := w.open(t, Options{})
			mustSave(t, s, 1, 1)
			end(w, s)
			for n := range 3 { // known, another, and known again
				err := s.Save(t.Context(), journaltest.Record(1+n%2, 2, 10), journaltest.Event(1, 0, "not kept"))
				if !errors.Is(err, ErrNotLeader) {
					t.Errorf("a save: %v", err)
				}
				expectFault(t, err, fault.Retry, fault.Conflict, "write journal", w.prefix, "stands by")
			}
			w.put(t, s.term.Key, nil) // that somebody leads again is nothing to this store
			if err := s.Check(t.Context()); !errors.Is(err, ErrNotLeader) {
				t.Errorf("a check: %v", err)
			}
			expectVersions(t, s, map[int]int{1: 1})
		})
	}
}

// Nobody has to save a record for that to be found.
func TestACheckFindsThatEtcdWasRestored(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	check := func() error { return s.Check(t.Context()) }
	for range 2 {
		if err := check(); err != nil {
			t.Fatal(err)
		}
	}
	member := w.Members[0]
	member.Kill()
	putBack := member.Keep(t)
	member.Run(t)
	if err := check(); err != nil {
		t.Fatal(err)
	}
	member.Kill()
	putBack()
	member.Run(t)
	if err := check(); !errors.Is(err, ErrRestored) {
		t.Errorf("err = %v", err)
	}
	expectFault(t, save(t, s, 1, 1), fault.Retry, fault.Conflict, probeKey, "read anew")
}

func TestACheckFindsThatTheTermIsOver(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	w.remove(t, s.term.Key)
	if err := s.Check(t.Context()); !errors.Is(err, ErrNotLeader) {
		t.Errorf("err = %v", err)
	}
}

// An etcd that was restored from a snapshot holds older records, and the same election.
func TestARecordThatDiffersUnderAnIntactFenceEndsTheStore(t *testing.T) {
	w := newWorld(t, 1)
	for name, change := range map[string]func(w world, s *Store){
		"it is gone": func(w world, _ *Store) { w.remove(t, w.full(1)) },
		"it is an older one of this store": func(w world, s *Store) {
			older := w.raw(t, w.full(1))
			mustSave(t, s, 1, 2)
			w.put(t, w.full(1), older)
		},
		"it is the same, written again": func(w world, _ *Store) { w.put(t, w.full(1), w.raw(t, w.full(1))) },
		"it is another store's": func(w world, s *Store) {
			other := newSigner(s.signer.keys, s.term)
			w.put(t, w.full(1), []byte(other.seal(slotKey(journaltest.Key(1)), 1000, []byte("{}"))))
		},
		"it is nobody's": func(w world, _ *Store) { w.put(t, w.full(1), []byte("rubbish")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := w.at("/" + name)
			s := w.open(t, Options{})
			mustSave(t, s, 1, 1)
			mustSave(t, s, 2, 1)
			change(w, s)
			before := w.raw(t, w.full(1))
			for _, n := range []int{1, 2} { // nothing that this store knows can be relied on
				err := save(t, s, n, 9)
				if !errors.Is(err, ErrRestored) {
					t.Errorf("a save of slot %d: %v", n, err)
				}
				expectFault(t, err, fault.Retry, fault.Conflict, journaltest.Key(1).String(), "read anew", w.prefix+"/")
			}
			if string(w.raw(t, w.full(1))) != string(before) {
				t.Error("it was written to")
			}
		})
	}
}

// A record that was never loaded is not known, and not overwritten.
func TestARecordThatWasNotLoadedIsNotOverwritten(t *testing.T) {
	w := newWorld(t, 1)
	mustSave(t, w.open(t, Options{}), 1, 1)
	s := w.open(t, Options{})
	if err := save(t, s, 1, 2); !errors.Is(err, ErrRestored) {
		t.Errorf("err = %v", err)
	}
	expectVersions(t, s, map[int]int{1: 1})
}

func TestALaterTermGoesOnWhereAnEarlierOneEnded(t *testing.T) {
	w := newWorld(t, 1)
	first := w.open(t, Options{})
	mustSave(t, first, 1, 1, journaltest.Event(1, 0, "first"))
	second := w.open(t, Options{})
	expectVersions(t, second, map[int]int{1: 1})
	mustSave(t, second, 1, 2, journaltest.Event(1, 0, "second"))
	if err := save(t, first, 1, 3); !errors.Is(err, ErrNotLeader) {
		t.Errorf("the first: %v", err)
	}
	expectVersions(t, second, map[int]int{1: 2})
	if events, err := second.History(t.Context(), nil, 0); err != nil || len(events) != 2 || events[0].Detail != "second" {
		t.Errorf("history %v, %v", events, err)
	}
}

// Who holds an election by other means writes without a fence, as a copy from another store does.
func TestAStoreWithoutATermIsNotFenced(t *testing.T) {
	w := newWorld(t, 1)
	client, err := Dial(Access{Endpoints: w.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	s, err := w.tryOpen(t, client, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, s, 1, 1)
	mustSave(t, s, 1, 2)
	w.remove(t, w.full(1))
	if err := save(t, s, 1, 3); !errors.Is(err, ErrRestored) {
		t.Errorf("err = %v", err)
	}
}

func TestAFormatThatIsNewerIsLeftAlone(t *testing.T) {
	w := newWorld(t, 1)
	w.put(t, w.prefix+"/"+formatKey, []byte("2"))
	_, err := w.tryOpen(t, w.Client, Options{Term: w.lead(t, w.Client)})
	expectFault(t, err, fault.Permanent, fault.Invalid, "newer", "version 2", "up to 1")
	if w.raw(t, w.prefix+"/"+digestKey) != nil {
		t.Error("something was written")
	}
	w.put(t, w.prefix+"/"+formatKey, []byte("zero"))
	_, err = w.tryOpen(t, w.Client, Options{Term: w.lead(t, w.Client)})
	expectFault(t, err, fault.Permanent, fault.Invalid, "damaged", `"zero"`)
}

func TestAnotherIdentityIsToldWhenTheStoreIsOpened(t *testing.T) {
	w := newWorld(t, 1)
	w.open(t, Options{})
	_, err := w.tryOpen(t, w.Client, Options{Term: w.lead(t, w.Client), Keys: []secret.Value{newKey(t)}})
	expectFault(t, err, fault.Permanent, fault.Invalid, digestKey, "not signed", "identity_file")
}

func TestAllIdentitiesAreBelievedAndTheFirstSigns(t *testing.T) {
	w := newWorld(t, 1)
	next := newKey(t)
	mustSave(t, w.open(t, Options{}), 1, 1)
	both := w.open(t, Options{Keys: []secret.Value{next, w.key}})
	expectVersions(t, both, map[int]int{1: 1})
	mustSave(t, both, 2, 1)
	for n, key := range map[int]secret.Value{1: w.key, 2: next} {
		if _, _, err := newSigner([]secret.Value{key}, Term{}).open(slotKey(journaltest.Key(n)), w.raw(t, w.full(n))); err != nil {
			t.Errorf("slot %d: %v", n, err)
		}
	}
}
