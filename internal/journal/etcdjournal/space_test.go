package etcdjournal

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
)

func TestAnEtcdThatIsFullIsToldByName(t *testing.T) {
	const quota = 4 << 20
	w := newWorld(t, 1, etcdtest.Quota(quota))
	failed := 0
	s := w.open(t, Options{Observe: func(_ time.Duration, err error) {
		if err != nil {
			failed++
		}
	}})
	mustSave(t, s, 1, 1)
	watch := NewSpaceWatch(w.Client, w.prefix)
	if size, free := watch.Size(), watch.Free(); size != -1 || free != -1 {
		t.Errorf("before the first look its size is %d", size)
	}
	expectLook(t, watch, "")
	if space, err := s.Space(t.Context()); err != nil || space.Full || space.Quota != quota || space.Size <= 0 {
		t.Errorf("space %+v, %v", space, err)
	}
	var tight sync.Once
	w.Fill(t, func() {
		if space, err := s.Space(t.Context()); err == nil && space.share() > tightShare && !space.Full {
			tight.Do(func() { expectLook(t, watch, "becomes scarce", "--auto-compaction-retention") })
		}
	})
	expectLook(t, watch, "space exceeded", "no replica can be elected", "etcd is full")
	for _, err := range []error{save(t, s, 1, 2), save(t, s, 2, 1), s.Check(t.Context())} {
		expectFault(t, err, fault.Retry, fault.Storage, "write journal", "space exceeded", "etcd is full", "quota", "alarm disarm")
	}
	if failed != 3 {
		t.Errorf("%d failed writes were counted", failed)
	}
	_, err := w.Client.Grant(t.Context(), 60)
	expectFault(t, FaultOf("campaign", w.Client, w.prefix, err), fault.Retry, fault.Storage, "campaign", "etcd is full", w.prefix+"/")
	if space, err := s.Space(t.Context()); err != nil || !space.Full || space.share() < 0.8 {
		t.Errorf("space %+v, %v", space, err)
	}
	expectVersions(t, s, map[int]int{1: 1}) // it can be read
	w.MakeRoom(t)
	mustSave(t, s, 1, 3)
	if space, err := s.Space(t.Context()); err != nil || space.Full || space.share() > 0.5 {
		t.Errorf("space %+v, %v", space, err)
	}
	expectLook(t, watch, "")
}

// expectLook has the watch look, and wants it to tell of one thing (none: ""), in these words.
func expectLook(t *testing.T, watch *SpaceWatch, words ...string) {
	t.Helper()
	before := fmt.Sprint(watch.Errs())
	changed, err := watch.look(t.Context())
	errs := watch.Errs()
	if err != nil || watch.Size() <= 0 || watch.Free() < 0 || len(errs) > 1 || (len(errs) == 0) != (words[0] == "") {
		t.Fatalf("it tells %v (%v)", errs, err)
	}
	if now := fmt.Sprint(errs); changed != (before != now) {
		t.Errorf("it is told: %t; before %s, now %s", changed, before, now)
	}
	for _, word := range words {
		if !strings.Contains(fmt.Sprint(errs), word) {
			t.Errorf("%v lacks %q", errs, word)
		}
	}
}

func TestAnEtcdThatTellsNoQuotaIsNotCalledTight(t *testing.T) {
	if share := (Space{Size: 1 << 30}).share(); share != 0 {
		t.Errorf("of no quota %g are used", share)
	}
}

func TestAnEtcdThatNobodyCompactsIsToldAfterADay(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	watch := NewSpaceWatch(w.Client, w.prefix)
	now := journaltest.Day()
	watch.now = func() time.Time { return now }
	version := 0
	pass := func(hours int, compacted bool) {
		for range hours {
			now = now.Add(time.Hour)
			version++
			mustSave(t, s, 1, version)
			if compacted {
				if _, err := w.Client.Compact(t.Context(), watch.marks[len(watch.marks)-1].revision+1); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := watch.look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	expectLook(t, watch, "")
	pass(23, false)
	expectLook(t, watch, "")
	pass(1, false)
	expectLook(t, watch, "nobody compacts etcd", "--auto-compaction-retention")
	pass(3, false)
	if len(watch.marks) > 25 {
		t.Errorf("%d revisions are remembered", len(watch.marks))
	}
	pass(1, true)
	expectLook(t, watch, "")
}

func TestARevisionCanBeReadUntilEtcdIsCompacted(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	expectVersions(t, s, map[int]int{1: 1})
	old := s.Revision()
	mustSave(t, s, 1, 2)
	if can, err := s.CanRead(t.Context(), old); err != nil || !can {
		t.Errorf("before: %t, %v", can, err)
	}
	if _, err := w.Client.Compact(t.Context(), old+1); err != nil {
		t.Fatal(err)
	}
	if can, err := s.CanRead(t.Context(), old); err != nil || can {
		t.Errorf("after: %t, %v", can, err)
	}
}
