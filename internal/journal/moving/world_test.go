package moving_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// world has a folder, a place in a real etcd, and places for other stores.
type world struct {
	*testing.T
	etcd     *etcdtest.Cluster
	identity *secret.Identity
	prefix   string
	folder   string
}

func newWorld(t *testing.T) world {
	t.Helper()
	t.Parallel() // mostly it waits
	identity, err := secret.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return world{t, etcdtest.Start(t, 1), identity, "/rotatord", filepath.Join(t.TempDir(), "state")}
}

// elsewhere is another pair of places beside the first, for a test of its own.
func (w world) elsewhere(t *testing.T, n int) world {
	w.T, w.prefix, w.folder = t, fmt.Sprint("/elsewhere", n), filepath.Join(t.TempDir(), "state")
	return w
}

// store is one that tests use, and what closes it.
type store interface {
	moving.Store
	journaltest.Journal
}

// side opens one of the two stores, as who moves does, or as a daemon does.
type side struct {
	name moving.Name
	open func(toMove bool) (store, error)
}

func (w world) embedded() side {
	return side{moving.Name{Shown: w.folder, Argument: w.folder}, func(toMove bool) (store, error) {
		return journal.Open(w.folder, journal.Options{ToMove: toMove})
	}}
}

func (w world) inEtcd() side {
	return side{moving.Name{Shown: "etcd " + w.prefix, Argument: "etcd"}, func(toMove bool) (store, error) {
		keys, err := etcdjournal.KeysOf(w.identity)
		if err != nil {
			return nil, err
		}
		elected, err := w.etcd.Client.Put(w.Context(), w.prefix+"/election/1", "", clientv3.WithPrevKV())
		if err != nil {
			return nil, err
		}
		term := etcdjournal.Term{Key: w.prefix + "/election/1", Revision: elected.Header.Revision}
		if elected.PrevKv != nil {
			term.Revision = elected.PrevKv.CreateRevision
		}
		return etcdjournal.Open(w.Context(), w.etcd.Client, etcdjournal.Options{
			Prefix: w.prefix, Term: term, Keys: keys, Identity: w.identity, ToMove: toMove,
		})
	}}
}

// use has a store open as long as it is used.
func (w world) use(s side, toMove bool, f func(store)) {
	w.Helper()
	opened, err := s.open(toMove)
	if err != nil {
		w.Fatal(err)
	}
	f(opened)
	if err := opened.Close(); err != nil {
		w.Fatal(err)
	}
}

// eventsOfASave are as many as fill saves with a record.
const eventsOfASave = 3

// fill saves slots as a daemon does, all of them so many times in turns, and a note of an account.
func (w world) fill(s side, slots, times int) {
	w.Helper()
	w.use(s, false, func(j store) {
		if err := j.Load(w.Context(), func(*slot.Record) error { return nil }); err != nil {
			w.Fatal(err)
		}
		for time := range times {
			for n := range slots {
				if err := j.Save(w.Context(), journaltest.Record(n, time, 100), eventsOf(n, time)...); err != nil {
					w.Fatal(err)
				}
			}
		}
		note := slot.AccountNote{AccountID: journaltest.Key(0).AccountID, BlockedUntil: slot.TimestampOf(journaltest.Day())}
		if err := j.SaveAccount(w.Context(), note); err != nil {
			w.Fatal(err)
		}
	})
}

func eventsOf(n, time int) (events []slot.Event) {
	for e := range eventsOfASave {
		events = append(events, journaltest.Event(n, time, fmt.Sprintf("%d of slot %d at %d", e, n, time)))
	}
	return events
}

// held is what a daemon finds in a store, as text; the history of all slots as far as limit.
func (w world) held(s side, limit int) (text string) {
	w.Helper()
	w.use(s, false, func(j store) {
		records := map[moq.Key]string{}
		errLoad := j.Load(w.Context(), func(r *slot.Record) error {
			records[r.Key] = fmt.Sprint(journaltest.VersionOf(r), len(r.Rotation.Sealed))
			return nil
		})
		events, errHistory := j.History(w.Context(), nil, limit)
		accounts, errAccounts := j.LoadAccounts(w.Context(), func(err error) { w.Error(err) })
		if err := errors.Join(errLoad, errHistory, errAccounts); err != nil {
			w.Fatal(err)
		}
		text = fmt.Sprintf("key %x\nrecords %v\naccounts %v\n", j.DigestKey(), records, accounts)
		for _, e := range events {
			text += e.Detail + "\n"
		}
	})
	return text
}

// usable are the names of the sides that a daemon may start with, and then finds a journal.
func (w world) usable(sides ...side) (names []string) {
	w.Helper()
	for _, s := range sides {
		opened, err := s.open(false)
		if _, refused := errors.AsType[*moving.Refusal](err); refused {
			continue
		}
		if err != nil {
			w.Fatal(err)
		}
		empty, err := opened.IsEmpty(w.Context())
		if err := errors.Join(err, opened.Close()); err != nil {
			w.Fatal(err)
		}
		if !empty {
			names = append(names, s.name.Argument)
		}
	}
	return names
}

// move makes a move whose process ends before its stop-th write; 0: never.
func (w world) move(from, to side, stop int64) (r moving.Result, told []string, err error) {
	w.Helper()
	var writes atomic.Int64
	w.use(from, true, func(f store) {
		w.use(to, true, func(t store) {
			r, err = moving.Move{
				From: moving.Party{Store: ending{f, &writes, stop}, Name: from.name},
				To:   moving.Party{Store: ending{t, &writes, stop}, Name: to.name},
				Now:  journaltest.Day, Tell: func(line string) { told = append(told, line) },
			}.Run(w.Context())
		})
	})
	return r, told, err
}

func (w world) mustMove(from, to side) moving.Result {
	w.Helper()
	r, _, err := w.move(from, to, 0)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// ending is a store of a process that ends at some write.
type ending struct {
	moving.Store
	writes *atomic.Int64
	stop   int64
}

var errEnded = errors.New("the process ended")

func (e ending) write(make func() error) error {
	if n := e.writes.Add(1); e.stop > 0 && n >= e.stop {
		return errEnded
	}
	return make()
}

func (e ending) PutNote(ctx context.Context, n moving.Note) error {
	return e.write(func() error { return e.Store.PutNote(ctx, n) })
}

func (e ending) Clear(ctx context.Context, key []byte) error {
	return e.write(func() error { return e.Store.Clear(ctx, key) })
}

func (e ending) Import(ctx context.Context, s moving.Slot) error {
	return e.write(func() error { return e.Store.Import(ctx, s) })
}

func (e ending) SaveAccount(ctx context.Context, n slot.AccountNote) error {
	return e.write(func() error { return e.Store.SaveAccount(ctx, n) })
}
