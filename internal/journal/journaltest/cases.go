package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

func isEmptyAtFirst(t *testing.T, s *store) {
	s.expect(nil)
	if got := s.details(nil, 0); got != "" {
		t.Errorf("history %q", got)
	}
}

func recordsSurviveReopening(_ *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10))
	s.mustSave(Record(2, 1, 5000))
	s.mustSave(Record(1, 2, 10))
	s.restart()
	s.expect(map[int]int{1: 2, 2: 1})
}

func recordsComeBackWhole(t *testing.T, s *store) {
	want := Record(1, 1, 100)
	want.Receipts = slot.Receipts{{
		Target: slot.Target{Location: "file:/x"}, Digest: []byte{1, 2}, At: slot.TimestampOf(Day()),
	}}
	want.Retiring = []slot.Token{{ID: "1", Grace: time.Hour}}
	s.mustSave(want)
	for range 2 {
		if err := s.Load(t.Context(), func(got *slot.Record) error {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s.restart()
	}
}

func digestKeyStays(t *testing.T, s *store) {
	key := s.DigestKey()
	if len(key) < 32 || bytes.Equal(key, make([]byte, len(key))) {
		t.Errorf("the digest key is %x", key)
	}
	want := bytes.Clone(key)
	key[0]++ // it is the caller's copy
	if !bytes.Equal(s.DigestKey(), want) {
		t.Error("the digest key can be changed")
	}
	s.restart()
	if !bytes.Equal(s.DigestKey(), want) {
		t.Error("the digest key is another after reopening")
	}
}

func visitorMaySave(t *testing.T, s *store) {
	for n := range 9 {
		s.mustSave(Record(n, 1, 10))
	}
	s.restart()
	visits := 0
	if err := s.Load(t.Context(), func(r *slot.Record) error {
		visits++
		n := NumberOf(r.Key)
		return s.Save(t.Context(), Record(n, 2, 10), Event(n, 0, strings.Repeat("x", 20_000)))
	}); err != nil {
		t.Fatal(err)
	}
	if visits != 9 {
		t.Errorf("%d records were visited, want 9", visits)
	}
	s.expect(map[int]int{0: 2, 1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2})
}

func visitorMayEnd(t *testing.T, s *store) {
	for n := range 5 {
		s.mustSave(Record(n, 1, 10))
	}
	enough, visits := errors.New("enough"), 0
	if err := s.Load(t.Context(), func(*slot.Record) error {
		if visits++; visits == 3 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) || visits != 3 {
		t.Errorf("%d visits, %v", visits, err)
	}
}

func saveFollowsLoad(_ *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10), Event(1, 0, "before"))
	s.restart()
	s.expect(map[int]int{1: 1})
	s.mustSave(Record(1, 2, 10), Event(1, 1, "after"))
	s.mustSave(Record(2, 1, 10))
	s.expect(map[int]int{1: 2, 2: 1})
	s.restart()
	s.expect(map[int]int{1: 2, 2: 1})
}

func historyFromTheNewest(t *testing.T, s *store) {
	for i, n := range []int{2, 1, 3, 1, 2, 2} { // one event a minute, of these slots
		s.mustSave(Record(n, i, 10), Event(n, i, fmt.Sprint(i)))
	}
	one, two, other := Key(1), Key(2), Key(4)
	for range 2 {
		for i, got := range []string{
			s.details(nil, 0), s.details(nil, 1), s.details(nil, 4), s.details(&one, 0), s.details(&one, 1),
			s.details(&two, 2), s.details(&two, 9), s.details(&other, 0),
		} {
			if want := []string{"5 4 3 2 1 0", "5", "5 4 3 2", "3 1", "3", "5 4", "5 4 0", ""}[i]; got != want {
				t.Errorf("question %d: %q, want %q", i, got, want)
			}
		}
		s.restart()
	}
}

func eventsOfOneMoment(t *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10), Event(1, 0, "first"), Event(1, 0, "second"))
	s.mustSave(Record(1, 2, 10), Event(1, 0, "third"))
	if got := s.details(nil, 0); got != "third second first" {
		t.Error(got)
	}
}

func historyKeepsTheLast(t *testing.T, s *store) {
	s.mustSave(Record(2, 1, 10), Event(2, 0, "another"))
	var events []slot.Event
	for i := range 2*s.KeptEvents + 50 {
		events = append(events, Event(1, i+1, fmt.Sprint(i)))
	}
	some := s.KeptEvents - 1
	s.mustSave(Record(1, 1, 10), events[:some]...)
	s.mustSave(Record(1, 2, 10), events[some:]...)
	s.restart()
	one := Key(1)
	expectLast(t, strings.Fields(s.details(&one, 0)), len(events)-1, s.KeptEvents)
	if all := strings.Fields(s.details(nil, 0)); len(all) != s.KeptEvents+1 {
		t.Errorf("%d events of all", len(all))
	}
}

// expectLast wants the last events, of which there are some, from the newest on.
func expectLast(t *testing.T, got []string, newest, kept int) {
	t.Helper()
	if len(got) != kept || got[0] != fmt.Sprint(newest) || got[kept-1] != fmt.Sprint(newest-kept+1) {
		t.Errorf("%d events, %v; want %d from %d on", len(got), got, kept, newest)
	}
}

func historyDespiteTheClock(t *testing.T, s *store) {
	total := s.KeptEvents + 5
	for i := range total {
		minute := i
		if i >= s.KeptEvents {
			minute -= 240
		}
		s.mustSave(Record(1, i, 10), Event(1, minute, fmt.Sprint(i)))
	}
	s.restart()
	one := Key(1)
	expectLast(t, strings.Fields(s.details(&one, 0)), total-1, s.KeptEvents)
}

func readingHeedsTheContext(t *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10), Event(1, 0, ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.History(ctx, nil, 0)
	for _, err := range []error{err, s.Load(ctx, nil)} {
		expectCanceled(t, err)
	}
}

func expectCanceled(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) || fault.Of(err).Reason != fault.Canceled {
		t.Errorf("err = %v", err)
	}
}

func endedSaveKeepsNothing(t *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10), Event(1, 0, "kept"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	expectCanceled(t, s.Save(ctx, Record(1, 2, 10), Event(1, 1, "not kept")))
	expectCanceled(t, s.Save(ctx, Record(2, 1, 10)))
	s.expect(map[int]int{1: 1})
	if got := s.details(nil, 0); got != "kept" {
		t.Errorf("history %q", got)
	}
	s.mustSave(Record(1, 3, 10))
	s.expect(map[int]int{1: 3})
}

func tooLargeFailsAlone(t *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10))
	var others sync.WaitGroup
	for n := range 5 {
		others.Go(func() {
			if err := s.Save(t.Context(), Record(n+2, 1, 10)); err != nil {
				t.Error(err)
			}
		})
	}
	err := s.Save(t.Context(), Record(1, 2, s.TooLarge), Event(1, 0, "not kept"))
	others.Wait()
	if f := fault.Of(err); f == nil || f.Class != fault.Permanent || !strings.Contains(err.Error(), Key(1).String()) {
		t.Errorf("err = %v", err)
	}
	s.expect(map[int]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1})
	if got := s.details(nil, 0); got != "" {
		t.Errorf("history %q", got)
	}
	s.mustSave(Record(1, 3, 10))
}

func manySlotsAtATime(t *testing.T, s *store) {
	const slots, saves = 60, 5
	want := map[int]int{}
	var all sync.WaitGroup
	for n := range slots {
		want[n] = saves
		all.Go(func() {
			for v := range saves {
				if err := s.Save(t.Context(), Record(n, v+1, 500), Event(n, v, fmt.Sprint(v))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s.restart()
	s.expect(want)
	for n := range slots {
		key := Key(n)
		if got := s.details(&key, 3); got != "4 3 2" {
			t.Errorf("history of slot %d: %s", n, got)
		}
	}
}

func oneSlotAtATime(t *testing.T, s *store) {
	var all sync.WaitGroup
	for v := range 20 {
		all.Go(func() {
			if err := s.Save(t.Context(), Record(1, v, 10), Event(1, 0, "")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.restart()
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) != min(20, s.KeptEvents) {
		t.Errorf("%d events, %v", len(events), err)
	}
	visits := 0
	if err := s.Load(t.Context(), func(*slot.Record) error { visits++; return nil }); err != nil || visits != 1 {
		t.Errorf("%d records, %v", visits, err)
	}
}

func checkChangesNothing(t *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10), Event(1, 0, "one"))
	for range 3 {
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(map[int]int{1: 1})
	if got := s.details(nil, 0); got != "one" {
		t.Errorf("history %q", got)
	}
}

func notesSurviveReopening(_ *testing.T, s *store) {
	s.expectNotes()
	s.mustSave(Record(1, 1, 10))
	s.mustNote(Note(1, 5))
	s.mustNote(Note(2, 7))
	s.mustNote(Note(1, 9))
	for range 2 {
		s.expectNotes(Note(1, 9), Note(2, 7))
		s.expect(map[int]int{1: 1})
		s.restart()
	}
	s.mustNote(Note(2, 0))
	s.expectNotes(Note(1, 9), Note(2, 0))
}

func lastNoteCounts(t *testing.T, s *store) {
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for minute := range 5 {
				if err := s.SaveAccount(t.Context(), Note(n%4, minute+1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s.restart()
	s.expectNotes(Note(0, 5), Note(1, 5), Note(2, 5), Note(3, 5))
}

func nothingAfterTheEnd(t *testing.T, s *store) {
	s.mustSave(Record(1, 1, 10))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, history := s.History(t.Context(), nil, 0)
	_, notes := s.LoadAccounts(t.Context(), func(err error) { t.Error(err) })
	for call, err := range map[string]error{
		"SaveAccount": s.SaveAccount(t.Context(), Note(1, 1)), "LoadAccounts": notes,
		"Save": s.Save(t.Context(), Record(1, 2, 10)), "Load": s.Load(t.Context(), nil), "History": history,
		"Check": s.Check(t.Context()),
	} {
		if f := fault.Of(err); f == nil || f.Class != fault.Retry || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: %v", call, err)
		}
	}
	s.open()
	s.expect(map[int]int{1: 1})
}
