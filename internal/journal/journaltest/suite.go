// Package journaltest is the conformance suite that every store of records passes: what
// rotation.Journal promises, tried on the real thing.
package journaltest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/slot"
)

// Journal is a store under test.
type Journal interface {
	rotation.Journal
	rotation.AccountNotes
	Close() error
}

// Harness says how a store is opened, and what it keeps.
type Harness struct {
	// New makes an empty store, and returns what opens it: the first time, and again once it was
	// closed. Whatever is opened is closed when the test ends; closing twice must do no harm.
	New func(t *testing.T) (open func() Journal)
	// KeptEvents is how many events of a slot are kept.
	KeptEvents int
	// TooLarge is a size, in bytes, of a record that is refused.
	TooLarge int
}

// Run tries everything on stores of their own.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		sentence string
		try      func(*testing.T, *store)
	}{
		{"an empty store has no records and no history", isEmptyAtFirst},
		{"records survive reopening", recordsSurviveReopening},
		{"records come back whole", recordsComeBackWhole},
		{"the digest key lives as long as the store", digestKeyStays},
		{"Load visits each record once, and its visitor may save", visitorMaySave},
		{"Load ends with the visitor's error", visitorMayEnd},
		{"a save follows a load of the same record", saveFollowsLoad},
		{"history is told from the newest on", historyFromTheNewest},
		{"events of one moment keep their order", eventsOfOneMoment},
		{"history keeps the last events of each slot", historyKeepsTheLast},
		{"history keeps what came last though the clock was set back", historyDespiteTheClock},
		{"reading heeds the context", readingHeedsTheContext},
		{"a save whose context has ended keeps nothing", endedSaveKeepsNothing},
		{"a record that is too large fails alone", tooLargeFailsAlone},
		{"saves of many slots at a time are all kept", manySlotsAtATime},
		{"saves of one slot at a time end with one of them", oneSlotAtATime},
		{"a check succeeds, and changes nothing that is read", checkChangesNothing},
		{"the notes of accounts survive reopening", notesSurviveReopening},
		{"of notes of an account the last one counts", lastNoteCounts},
		{"after the end nothing succeeds", nothingAfterTheEnd},
	} {
		t.Run(strings.ReplaceAll(c.sentence, " ", "_"), func(t *testing.T) {
			s := &store{Harness: h, t: t, reopen: h.New(t)}
			s.open()
			c.try(t, s)
		})
	}
}

// store is one store of a test, open.
type store struct {
	Harness
	Journal
	t      *testing.T
	reopen func() Journal
}

func (s *store) open() {
	opened := s.reopen()
	s.t.Cleanup(func() { _ = opened.Close() })
	s.Journal = opened
}

// restart closes the store and opens it again.
func (s *store) restart() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}

func (s *store) mustSave(r *slot.Record, events ...slot.Event) {
	s.t.Helper()
	if err := s.Save(s.t.Context(), r, events...); err != nil {
		s.t.Fatal(err)
	}
}

// versions returns the version of each slot's record, by the slot's number.
func (s *store) versions() string {
	s.t.Helper()
	found := map[int]int{}
	if err := s.Load(s.t.Context(), func(r *slot.Record) error {
		if _, twice := found[NumberOf(r.Key)]; twice {
			s.t.Errorf("slot %s is visited twice", r.Key)
		}
		found[NumberOf(r.Key)] = VersionOf(r)
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(found)
}

func (s *store) expect(versions map[int]int) {
	s.t.Helper()
	if got, want := s.versions(), fmt.Sprint(versions); got != want {
		s.t.Errorf("the store holds %s, want %s", got, want)
	}
}

func (s *store) mustNote(n slot.AccountNote) {
	s.t.Helper()
	if err := s.SaveAccount(s.t.Context(), n); err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) expectNotes(want ...slot.AccountNote) {
	s.t.Helper()
	got, err := s.LoadAccounts(s.t.Context(), func(err error) { s.t.Error(err) })
	slices.SortFunc(got, func(a, b slot.AccountNote) int { return cmp.Compare(a.AccountID, b.AccountID) })
	if err != nil || !slices.Equal(got, want) {
		s.t.Errorf("the store holds the notes %v (%v), want %v", got, err, want)
	}
}

// details returns what History tells, an event after the other.
func (s *store) details(key *moq.Key, limit int) string {
	s.t.Helper()
	events, err := s.History(s.t.Context(), key, limit)
	if err != nil {
		s.t.Fatal(err)
	}
	list := []string{}
	for _, e := range events {
		list = append(list, e.Detail)
	}
	return strings.Join(list, " ")
}

// Day is when everything happens.
func Day() time.Time { return time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC) }

// Key is the key of slot n.
func Key(n int) moq.Key {
	return moq.Key{AccountID: strings.Repeat("a", 32), RelayID: fmt.Sprintf("%032x", n), Type: moq.Subscribe}
}

// Note is a note of account n, which is blocked until so many minutes after Day.
func Note(n, minute int) slot.AccountNote {
	return slot.AccountNote{
		AccountID: fmt.Sprintf("%032x", n), BlockedUntil: slot.TimestampOf(Day().Add(time.Duration(minute) * time.Minute)),
	}
}

// NumberOf is the n of a Key.
func NumberOf(k moq.Key) (n int) {
	_, _ = fmt.Sscanf(k.RelayID, "%x", &n)
	return n
}

// Record is a record of slot n, size bytes or a little more long, that tells version from version.
func Record(n, version, size int) *slot.Record {
	return &slot.Record{
		Key: Key(n), FirstSeen: slot.TimestampOf(Day()),
		MetThrough: slot.TimestampOf(Day().Add(time.Duration(version) * time.Second)),
		Rotation:   &slot.Rotation{ID: fmt.Sprint(version), Phase: slot.Minted, Sealed: make([]byte, size*3/4)},
	}
}

// VersionOf is the version of a Record.
func VersionOf(r *slot.Record) int { return int(r.MetThrough.Time().Sub(Day()) / time.Second) }

// Event is an event of slot n, so many minutes after Day.
func Event(n, minute int, detail string) slot.Event {
	return slot.Event{
		At: Day().Add(time.Duration(minute) * time.Minute), Key: Key(n), Slot: fmt.Sprint("relay", n, "/subscribe"),
		Kind: slot.EventRotated, Detail: detail,
	}
}
