package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func details(t *testing.T, b *Bolt, key *moq.Key, limit int) []string {
	t.Helper()
	events, err := b.History(t.Context(), key, limit)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range events {
		list = append(list, e.Detail)
	}
	return list
}

func TestHistoryGivesTheNewestFirst(t *testing.T) {
	b := open(t, t.TempDir())
	for i, n := range []int{2, 1, 3, 1, 2, 2} { // one event a minute, of these slots
		mustSave(t, b, recordOf(n, i, 10), eventOf(n, day.Add(time.Duration(i)*time.Minute), fmt.Sprint(i)))
	}
	one, two, other := slotKey(1), slotKey(2), slotKey(4)
	for _, c := range []struct {
		key   *moq.Key
		limit int
		want  string
	}{
		{nil, 0, "[5 4 3 2 1 0]"}, {nil, 1, "[5]"}, {nil, 4, "[5 4 3 2]"}, {nil, 5, "[5 4 3 2 1]"},
		{&one, 0, "[3 1]"}, {&one, 1, "[3]"}, {&two, 2, "[5 4]"}, {&two, 9, "[5 4 0]"}, {&other, 0, "[]"},
	} {
		if got := fmt.Sprint(details(t, b, c.key, c.limit)); got != c.want {
			t.Errorf("slot %v, limit %d: %s, want %s", c.key, c.limit, got, c.want)
		}
	}
}

func TestEventsOfOneMomentKeepTheirOrder(t *testing.T) {
	b := open(t, t.TempDir())
	mustSave(t, b, recordOf(1, 1, 10), eventOf(1, day, "first"), eventOf(1, day, "second"))
	if got := fmt.Sprint(details(t, b, nil, 0)); got != "[second first]" {
		t.Error(got)
	}
}

func TestHistoryKeepsAHundredEventsOfEachSlot(t *testing.T) {
	b := open(t, t.TempDir())
	mustSave(t, b, recordOf(2, 1, 10), eventOf(2, day, "another slot's"))
	var events []slot.Event
	for i := range 250 {
		events = append(events, eventOf(1, day.Add(time.Duration(i)*time.Minute), fmt.Sprint(i)))
	}
	mustSave(t, b, recordOf(1, 1, 10), events[:99]...)
	mustSave(t, b, recordOf(1, 1, 10), events[99:]...)
	checkpoint(t, b)
	one := slotKey(1)
	got := details(t, b, &one, 0)
	if len(got) != keptEvents || got[0] != "249" || got[keptEvents-1] != "150" {
		t.Errorf("%d events: %v", len(got), got)
	}
	if all := details(t, b, nil, 0); len(all) != keptEvents+1 {
		t.Errorf("%d events of all", len(all))
	}
}

func TestTheHistoryKeepsWhatCameLastThoughTheClockWasSetBack(t *testing.T) {
	b := open(t, t.TempDir())
	for i := range 105 {
		at := day.Add(time.Duration(i) * time.Minute)
		if i >= 100 {
			at = at.Add(-4 * time.Hour)
		}
		mustSave(t, b, recordOf(1, i, 10), eventOf(1, at, fmt.Sprint(i)))
	}
	checkpoint(t, b)
	one := slotKey(1)
	got := details(t, b, &one, 0)
	if len(got) != keptEvents || got[0] != "104" || got[keptEvents-1] != "5" {
		t.Errorf("%d events from %s to %s, want the last %d, newest first", len(got), got[0], got[len(got)-1], keptEvents)
	}
}

func TestHistoryNamesDamagedEventsAndGivesTheOthers(t *testing.T) {
	b := open(t, t.TempDir())
	mustSave(t, b, recordOf(1, 1, 10), eventOf(1, day, "good"), eventOf(1, day.Add(1), "bad"))
	checkpoint(t, b)
	if err := b.db.Update(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(historyBucket).Cursor().Last()
		return tx.Bucket(historyBucket).Put(k, []byte("rubbish"))
	}); err != nil {
		t.Fatal(err)
	}
	events, err := b.History(t.Context(), nil, 0)
	if len(events) != 1 || events[0].Detail != "good" {
		t.Errorf("events %v", events)
	}
	expectFault(t, err, fault.Permanent, "event of slot", slotKey(1).String(), "damaged")
}

func TestHistoryIsReadWithoutAWriteWhereverItsEventsAre(t *testing.T) {
	b := open(t, t.TempDir())
	mustSave(t, b, recordOf(1, 1, 10), eventOf(1, day, "checkpointed"))
	mustSave(t, b, recordOf(2, 1, 10), eventOf(2, day.Add(1*time.Minute), "another slot's"))
	checkpoint(t, b)
	onWrite(t, b, func([]byte, int64, func() (int, error)) (int, error) { return 0, syscall.ENOSPC })
	mustSave(t, b, recordOf(1, 2, 10), eventOf(1, day.Add(2*time.Minute), "in a segment that cannot be checkpointed"))
	if b.Check(t.Context()) == nil {
		t.Fatal("the database can be written")
	}
	mustSave(t, b, recordOf(1, 3, 10), eventOf(1, day.Add(3*time.Minute), "in the other segment"))
	one := slotKey(1)
	for limit, want := range []string{
		"in the other segment,in a segment that cannot be checkpointed,checkpointed", "in the other segment", "in the other segment,in a segment that cannot be checkpointed",
	} {
		if got := strings.Join(details(t, b, &one, limit), ","); got != want {
			t.Errorf("at most %d events: %s", limit, got)
		}
	}
	if got := details(t, b, nil, 0); len(got) != 4 || got[2] != "another slot's" {
		t.Errorf("events of all: %v", got)
	}
}

// An event may be checkpointed between the look at the log and that at the database.
func TestAnEventThatIsInTheLogAndTheDatabaseIsGivenOnce(t *testing.T) {
	b := open(t, t.TempDir())
	mustSave(t, b, recordOf(1, 1, 10), eventOf(1, day, "before"), eventOf(1, day.Add(1), "between"))
	entries, err1 := b.log.Unapplied(t.Context())
	changes, err2 := changesOf(entries)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	checkpoint(t, b)
	found := newest{limit: 2, fresh: map[string]bool{}}
	found.addFresh(changes, nil)
	if err := b.db.View(func(tx *bbolt.Tx) error {
		return found.scan(t.Context(), tx.Bucket(historyBucket).Cursor(), nil)
	}); err != nil {
		t.Fatal(err)
	}
	if events, err := b.eventsOf(found.sorted()); err != nil || len(events) != 2 || events[0].Detail != "between" || events[1].Detail != "before" {
		t.Errorf("events %v, %v", events, err)
	}
}

func TestReadingHeedsTheContext(t *testing.T) {
	b := open(t, t.TempDir())
	mustSave(t, b, recordOf(1, 1, 10), eventOf(1, day, ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.History(ctx, nil, 0)
	for _, err := range []error{err, b.Load(ctx, nil)} {
		if !errors.Is(err, context.Canceled) || fault.Of(err).Reason != fault.Canceled {
			t.Errorf("err = %v", err)
		}
	}
}
