package etcdjournal

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
)

// brief has a copy lose patience soon.
func brief() FollowOptions { return FollowOptions{limits: limits{call: 500 * time.Millisecond}} }

// countLists counts how often everything was listed.
func (w world) countLists(lists *atomic.Int32) grpc.DialOption {
	return between("Range", func(ctx context.Context, request any, call func(context.Context) error) error {
		if r := request.(*etcdserverpb.RangeRequest); string(r.RangeEnd) == w.prefix+"/"+followed().end && r.Revision == 0 {
			lists.Add(1)
		}
		return call(ctx)
	})
}

func TestACopyThatLostItsWatchGoesOnWhereItEnded(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	var lists atomic.Int32
	p := newProxy(t, strings.TrimPrefix(w.Members[0].Endpoint, "http://"))
	c := w.followAt(t, []string{"http://" + p.address}, brief(), w.countLists(&lists))
	follows(t, c)
	for version := 2; version <= 4; version++ {
		p.away.Store(true)
		p.cut()
		eventually(t, "the copy tells", func() bool { return c.Err() != nil })
		expectFault(t, c.Err(), fault.Retry, fault.Storage, "read journal", p.address)
		mustSave(t, s, 1, version)
		mustSave(t, s, version, version)
		p.away.Store(false)
		expectCopied(t, c, map[int]map[int]int{2: {1: 2, 2: 2}, 3: {1: 3, 2: 2, 3: 3}, 4: {1: 4, 2: 2, 3: 3, 4: 4}}[version])
		follows(t, c)
	}
	if n := lists.Load(); n != 1 {
		t.Errorf("everything was listed %d times", n)
	}
}

func TestACopyThatMissedWhatWasCompactedIsListedAnew(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	mustSave(t, s, 2, 1)
	var lists atomic.Int32
	p := newProxy(t, strings.TrimPrefix(w.Members[0].Endpoint, "http://"))
	c := w.followAt(t, []string{"http://" + p.address}, brief(), w.countLists(&lists))
	follows(t, c)
	p.away.Store(true)
	p.cut()
	w.remove(t, w.full(2))
	mustSave(t, s, 1, 2)
	mustSave(t, s, 3, 1)
	w.compact(t)
	p.away.Store(false)
	expectCopied(t, c, map[int]int{1: 2, 3: 1})
	if n := lists.Load(); n != 2 {
		t.Errorf("everything was listed %d times", n)
	}
	mustSave(t, s, 3, 2)
	expectCopied(t, c, map[int]int{1: 2, 3: 2})
}

// compact forgets all that was.
func (w world) compact(t *testing.T) {
	t.Helper()
	answer, err := w.Client.Get(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Client.Compact(t.Context(), answer.Header.Revision); err != nil {
		t.Fatal(err)
	}
}

// Compacting does no harm while a copy follows.
func TestACopyFollowsOnWhileEtcdCompacts(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	c := w.follow(t, FollowOptions{})
	for version := range 9 {
		mustSave(t, s, 1, version+1)
		w.compact(t)
	}
	expectCopied(t, c, map[int]int{1: 9})
}

// An etcd that was restored has gone back, and may be further on by the time that it is reached again.
func TestACopyForgetsWhatARestoredEtcdNeverHeld(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	mustSave(t, s, 2, 1)
	member := w.Members[0]
	member.Kill()
	putBack := member.Keep(t)
	member.Run(t)
	p := newProxy(t, strings.TrimPrefix(member.Endpoint, "http://"))
	c := w.followAt(t, []string{"http://" + p.address}, brief())
	mustSave(t, s, 1, 2)
	mustSave(t, s, 3, 1)
	expectCopied(t, c, map[int]int{1: 2, 2: 1, 3: 1})
	p.away.Store(true)
	p.cut()
	member.Kill()
	putBack()
	member.Run(t)
	after := w.open(t, Options{})
	expectVersions(t, after, map[int]int{1: 1, 2: 1})
	for version := 2; version < 9; version++ {
		mustSave(t, after, 2, version)
	}
	p.away.Store(false)
	expectCopied(t, c, map[int]int{1: 1, 2: 8})
}

// What the restored etcd holds may be of revisions that the copy has been past.
func TestACopyTakesWhatARestoredEtcdHoldsAtRevisionsThatWereBefore(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	member := w.Members[0]
	member.Kill()
	putBack := member.Keep(t)
	member.Run(t)
	for range 20 {
		w.put(t, "/elsewhere", nil)
	}
	p := newProxy(t, strings.TrimPrefix(member.Endpoint, "http://"))
	c := w.followAt(t, []string{"http://" + p.address}, brief())
	expectCopied(t, c, map[int]int{1: 1})
	p.away.Store(true)
	p.cut()
	member.Kill()
	putBack()
	member.Run(t)
	mustSave(t, s, 1, 2)
	p.away.Store(false)
	expectCopied(t, c, map[int]int{1: 2})
}

func TestACopyFollowsOnThoughAMemberIsSilent(t *testing.T) {
	w := newWorld(t, 3)
	s := w.open(t, Options{limits: limits{call: 300 * time.Millisecond, patience: time.Minute}})
	c := w.follow(t, brief())
	follows(t, c)
	version := 0
	for _, m := range w.Members {
		m.Freeze(t)
		version++
		mustSave(t, s, 1, version)
		expectCopied(t, c, map[int]int{1: version})
		m.Thaw(t)
	}
}

func TestACopyTellsThatEtcdHasNoLeaderAndGoesOnOnceItHas(t *testing.T) {
	w := newWorld(t, 3)
	s := w.open(t, Options{limits: limits{call: time.Second, patience: time.Minute}})
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	w.Members[0].Kill()
	w.Members[1].Kill()
	eventually(t, "the copy tells", func() bool { return c.Err() != nil })
	expectFault(t, c.Err(), fault.Retry, fault.Storage, "read journal")
	w.Members[0].Run(t)
	mustSave(t, s, 1, 1)
	expectCopied(t, c, map[int]int{1: 1})
	follows(t, c)
	if behind := c.Behind(); behind > time.Minute {
		t.Errorf("it is %s behind", behind)
	}
}

func TestACopyNamesWhatNobodyOfUsWroteAndFollowsOn(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{TermRecord: TermRecord{Replica: "ours"}})
	for n := range 4 {
		mustSave(t, s, n, 1)
	}
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	w.put(t, w.full(1), w.raw(t, w.full(0))) // a good record in another's place
	w.put(t, w.full(2), []byte("rubbish"))
	w.put(t, w.prefix+"/"+termKey, []byte(newSigner(keysOf(t, newIdentity(t)), Term{}).seal(termKey, 1, []byte(`{"replica":"theirs"}`))))
	w.put(t, w.prefix+"/slots/no-slot", nil)
	expectCopied(t, c, map[int]int{0: 1, 3: 1})
	eventually(t, "all is named", func() bool {
		err := c.Err()
		return err != nil && strings.Contains(err.Error(), "no-slot") &&
			strings.Contains(err.Error(), w.full(1)) && strings.Contains(err.Error(), w.full(2))
	})
	eventually(t, "the term's record is named", func() bool { return c.Ignored() != nil })
	expectFault(t, c.Ignored(), fault.Permanent, fault.Invalid, w.prefix+"/"+termKey, "not signed")
	expectFault(t, c.Err(), fault.Permanent, fault.Invalid, "not signed", "too few", "snapshot")
	if !errors.Is(c.Err(), durable.ErrDamaged) {
		t.Errorf("err = %v", c.Err())
	}
	if r, _ := c.Term(); r.Replica != "ours" {
		t.Errorf("it believes that %q leads", r.Replica)
	}
	mustSave(t, s, 3, 2)
	expectCopied(t, c, map[int]int{0: 1, 3: 2})
	next := w.open(t, Options{Copy: c})
	got, err := versions(t, next)
	if !maps.Equal(got, map[int]int{0: 1, 3: 2}) {
		t.Errorf("the next leader has %v", got)
	}
	expectFault(t, err, fault.Permanent, fault.Invalid, w.full(1), w.full(2), "no-slot")
}

func TestACopyStopsWhereTheFormatIsNewer(t *testing.T) {
	w := newWorld(t, 1)
	w.open(t, Options{})
	c := w.follow(t, FollowOptions{})
	follows(t, c)
	w.put(t, w.prefix+"/"+formatKey, []byte("2"))
	eventually(t, "it is told", func() bool { return errors.Is(c.Err(), durable.ErrNewer) })
	expectFault(t, c.Err(), fault.Permanent, fault.Invalid, "version 2", "up to 1")
	w.put(t, w.prefix+"/"+formatKey, []byte("1"))
	follows(t, c)
}

// A store does not wait for a copy that is cut off.
func TestAStoreReadsAnewWhereItsCopyIsNotReady(t *testing.T) {
	w := newWorld(t, 1)
	mustSave(t, w.open(t, Options{}), 1, 1)
	p := newProxy(t, strings.TrimPrefix(w.Members[0].Endpoint, "http://"))
	c := w.followAt(t, []string{"http://" + p.address}, brief())
	follows(t, c)
	p.away.Store(true)
	p.cut()
	s := w.open(t, Options{Copy: c})
	if s.loaded.Load() != nil {
		t.Error("it goes by a copy that may be old")
	}
	expectVersions(t, s, map[int]int{1: 1})
	mustSave(t, s, 1, 2)
}

// Who may read alone can follow: a standby writes nothing.
func TestARoleThatMayReadSufficesForACopy(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	w.enableAuth(t)
	root := w.login(t, "root")
	below := w.prefix + "/"
	if _, err := root.RoleAdd(t.Context(), "reader"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.RoleGrantPermission(t.Context(), "reader", below, clientv3.GetPrefixRangeEnd(below),
		clientv3.PermissionType(clientv3.PermRead)); err != nil {
		t.Fatal(err)
	}
	if _, err := root.UserGrantRole(t.Context(), "stranger", "reader"); err != nil {
		t.Fatal(err)
	}
	c := Follow(w.login(t, "stranger"), FollowOptions{Prefix: w.prefix, Keys: s.signer.keys})
	t.Cleanup(c.Close)
	expectCopied(t, c, map[int]int{1: 1})
	follows(t, c)
}
