package journal

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
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
