package etcdjournal

import (
	"errors"
	"maps"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// follow begins a copy.
func (w world) follow(t testing.TB, o FollowOptions, more ...grpc.DialOption) *Copy {
	t.Helper()
	return w.followAt(t, w.Endpoints(), o, more...)
}

func (w world) followAt(t testing.TB, endpoints []string, o FollowOptions, more ...grpc.DialOption) *Copy {
	t.Helper()
	client, err := dialWith(Access{Endpoints: endpoints}, more...)
	if err != nil {
		t.Fatal(err)
	}
	o.Prefix = w.prefix
	if o.Keys == nil {
		o.Keys = []secret.Value{w.key}
	}
	c := Follow(client, o)
	t.Cleanup(func() { c.Close(); _ = client.Close() })
	return c
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in a minute: ", what)
		}
	}
}

// copied are the versions that a copy holds.
func copied(c *Copy) map[int]int {
	found := map[int]int{}
	c.Visit(nil, func(r *slot.Record) { found[journaltest.NumberOf(r.Key)] = journaltest.VersionOf(r) })
	return found
}

func expectCopied(t testing.TB, c *Copy, want map[int]int) {
	t.Helper()
	eventually(t, "the copy holds what it should", func() bool { return maps.Equal(copied(c), want) })
}

func follows(t testing.TB, c *Copy) {
	t.Helper()
	eventually(t, "the copy follows", func() bool { return c.Err() == nil })
}

func TestACopyHoldsWhatTheLeaderSaves(t *testing.T) {
	w := newWorld(t, 3)
	empty := w.follow(t, FollowOptions{})
	follows(t, empty)
	s := w.open(t, Options{})
	want := map[int]int{}
	for n := range 7 {
		mustSave(t, s, n, 1, journaltest.Event(n, n, "an event"))
		want[n] = 1
	}
	later := w.follow(t, FollowOptions{limits: limits{page: 3}})
	follows(t, later)
	mustSave(t, s, 3, 2)
	want[3] = 2
	for _, c := range []*Copy{empty, later} {
		expectCopied(t, c, want)
		if err := c.Err(); err != nil {
			t.Error(err)
		}
		one, visits := journaltest.Key(3), 0
		c.Visit(&one, func(r *slot.Record) { visits += journaltest.VersionOf(r) })
		if visits != 2 {
			t.Errorf("one slot's version is %d", visits)
		}
	}
}

func TestAStoreBeginsWithItsCopy(t *testing.T) {
	w := newWorld(t, 3)
	first := w.open(t, Options{})
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	for n := range 5 {
		mustSave(t, first, n, 1)
	}
	mustSave(t, first, 1, 2)
	s := w.open(t, Options{Copy: c})
	if s.loaded.Load() == nil {
		t.Fatal("the copy was not taken over")
	}
	expectVersions(t, s, map[int]int{0: 1, 1: 2, 2: 1, 3: 1, 4: 1})
	if s.loaded.Load() != nil {
		t.Error("it is kept")
	}
	for n := range 6 {
		mustSave(t, s, n, 3) // their revisions are known
	}
	expectVersions(t, s, map[int]int{0: 3, 1: 3, 2: 3, 3: 3, 4: 3, 5: 3})
	if err := c.Err(); !errors.Is(err, errHandedOver) || len(copied(c)) > 0 {
		t.Errorf("the copy goes on: %v", err)
	}
}

func TestASaveWhileAStoreLoadsItsCopyIsTheNextOfItsSlot(t *testing.T) {
	w := newWorld(t, 1)
	first := w.open(t, Options{})
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	const many = 500
	for n := range many {
		mustSave(t, first, n, 1)
	}
	s := w.open(t, Options{Copy: c})
	mustSave(t, s, many, 2) // that nobody knew
	err := s.Load(t.Context(), func(r *slot.Record) error { return save(t, s, journaltest.NumberOf(r.Key), 2) })
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, s, many, 3)
	mustSave(t, s, 0, 3)
	expect := map[int]int{0: 3, many: 3}
	for n := 1; n < many; n++ {
		expect[n] = 2
	}
	expectVersions(t, s, expect)
}

// What a copy holds once it is ready is all that was saved before, however it came there.
func TestACopyIsReadyOnceItHasSeenTheTermsRecord(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{TermRecord: TermRecord{Replica: "first", Advertise: "https://first:1", Since: journaltest.Day()}})
	c := w.follow(t, FollowOptions{})
	if err := c.Ready(t.Context(), s.TermRevision()); err != nil { // seen in the list
		t.Fatal(err)
	}
	want := TermRecord{Revision: s.term.Revision, Replica: "first", Advertise: "https://first:1", Since: journaltest.Day()}
	if got, ok := c.Term(); !ok || got != want {
		t.Errorf("term %+v, %t", got, ok)
	}
	next := w.open(t, Options{TermRecord: TermRecord{Replica: "next", Config: "abc"}})
	if err := c.Ready(t.Context(), next.TermRevision()); err != nil { // and in the watch
		t.Fatal(err)
	}
	if got, _ := c.Term(); got.Replica != "next" || got.Config != "abc" {
		t.Errorf("term %+v", got)
	}
	if err := c.Ready(t.Context(), s.TermRevision()); !errors.Is(err, ErrNotLeader) {
		t.Errorf("for a term that was replaced: %v", err)
	}
}

func TestTheConfigurationThatWasAppliedLastIsToldInTheTermsRecord(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{TermRecord: TermRecord{Replica: "a", Config: "old"}})
	c := w.follow(t, FollowOptions{})
	if err := s.SetConfig(t.Context(), "new"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is told", func() bool {
		r, _ := c.Term()
		return r == TermRecord{Revision: s.term.Revision, Replica: "a", Config: "new"}
	})
	w.remove(t, s.term.Key)
	err := s.SetConfig(t.Context(), "newer")
	expectFault(t, err, fault.Retry, fault.Conflict, "write journal")
	if !errors.Is(err, ErrNotLeader) {
		t.Error(err)
	}
}

// Etcd answers each of the questions that are repeated until one is answered.
func TestAnAnswerThatComesAgainMakesACopyNoOlder(t *testing.T) {
	c := &Copy{changed: make(chan struct{}), asOf: time.Hour}
	f := &following{copy: c} // nothing is asked
	if err := f.take(&clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: 7}}); err != nil {
		t.Fatal(err)
	}
	if c.asOf != time.Hour {
		t.Errorf("it is as of %s", c.asOf)
	}
}
