package etcdjournal

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// What is kept beside the records holds nobody up: it is named, and who leads next makes it anew.
func TestWhatIsDamagedBesideTheRecordsKeepsNobodyFromLeading(t *testing.T) {
	w := newWorld(t, 1)
	id := newIdentity(t)
	o := Options{Identity: id, Keys: keysOf(t, id), Clock: stoppedClock{}}
	former := w.shareAll(t, o)
	c := w.follow(t, FollowOptions{Identity: id, Keys: o.Keys})
	follows(t, c)
	var damaged []string
	for _, key := range []string{accountFolder + journaltest.Note(1, 0).AccountID, markerKey("/srv/moq"), sharedFolder + "forwarding", probeKey, termKey} {
		damaged = append(damaged, w.prefix+"/"+key)
		w.put(t, w.prefix+"/"+key, w.raw(t, w.full(1))) // a good value in another's place
	}
	namesAll := func(err error) bool {
		return err != nil && !slices.ContainsFunc(damaged, func(key string) bool { return !strings.Contains(err.Error(), key) })
	}
	eventually(t, "all are named", func() bool { return namesAll(c.Ignored()) })
	if err := c.Err(); err != nil {
		t.Fatalf("a replica may not lead: %v", err)
	}
	if text, err := c.Marker("/srv/moq"); err != nil || text != "" {
		t.Errorf("of the damaged marker it knows %q, %v", text, err)
	}
	if _, err := Look(t.Context(), w.Client, FollowOptions{Prefix: w.prefix, Keys: o.Keys, Identity: id}); !namesAll(err) {
		t.Errorf("a look tells %v", err)
	}
	var warned fault.Several
	o.Copy, o.Warn = c, warned.Add
	next := w.open(t, o)
	expectVersions(t, next, map[int]int{1: 1})
	w.expectMadeAnew(t, next, former)
	expectFault(t, warned.Err(), fault.Permanent, fault.Invalid, damaged[1], damaged[2], "made anew")
	later := w.follow(t, FollowOptions{Identity: id, Keys: o.Keys})
	follows(t, later)
	if err := later.Ignored(); err != nil {
		t.Errorf("damaged is still %v", err)
	}
}

// shareAll has a leader save a record and all that is kept beside it, and returns the key that it shares.
func (w world) shareAll(t *testing.T, o Options) (shared string) {
	t.Helper()
	s := w.open(t, o)
	mustSave(t, s, 1, 1)
	for n := range 3 {
		if err := s.SaveAccount(t.Context(), journaltest.Note(n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.NoteMarker(t.Context(), "/srv/moq", "the former"); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return mustShare(t, s, "forwarding")
}

// expectMadeAnew has the next leader do what a term does.
func (w world) expectMadeAnew(t *testing.T, s *Store, formerKey string) {
	t.Helper()
	var damaged fault.Several
	notes, err := s.LoadAccounts(t.Context(), damaged.Add)
	if want := []slot.AccountNote{journaltest.Note(0, 1), journaltest.Note(2, 1)}; err != nil || !slices.Equal(notes, want) {
		t.Errorf("the notes are %v (%v), want %v", notes, err, want)
	}
	expectFault(t, damaged.Err(), fault.Permanent, fault.Invalid, accountFolder+journaltest.Note(1, 0).AccountID)
	if err := s.SaveAccount(t.Context(), journaltest.Note(1, 2)); err != nil {
		t.Error(err)
	}
	if text, err := s.Marker(t.Context(), "/srv/moq"); err != nil || text != "" {
		t.Errorf("of the damaged marker it knows %q, %v", text, err)
	}
	if text, err := s.NoteMarker(t.Context(), "/srv/moq", "the next"); err != nil || text != "the next" {
		t.Errorf("the marker is %q, %v", text, err)
	}
	if key := mustShare(t, s, "forwarding"); key == formerKey || key != mustShare(t, s, "forwarding") {
		t.Error("the shared key is the former one, or another each time")
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// All receipts are digests with this key: with another one, all targets would count as changed.
func TestADamagedKeyOfTheDigestsKeepsAllFromLeading(t *testing.T) {
	w := newWorld(t, 1)
	mustSave(t, w.open(t, Options{}), 1, 1)
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	w.put(t, w.prefix+"/"+digestKey, w.raw(t, w.full(1)))
	eventually(t, "it is named", func() bool { return errors.Is(c.Err(), durable.ErrDamaged) })
	expectFault(t, c.Err(), fault.Permanent, fault.Invalid, w.prefix+"/"+digestKey, "snapshot")
	_, err := w.tryOpen(t, w.Client, Options{Term: w.lead(t, w.Client), Keys: []secret.Value{w.key}})
	expectFault(t, err, fault.Permanent, fault.Invalid, w.prefix+"/"+digestKey)
}
