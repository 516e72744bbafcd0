package etcdjournal

import (
	"errors"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
)

func TestAnEtcdThatIsFullIsToldByName(t *testing.T) {
	const quota = 4 << 20
	w := newWorld(t, 1, etcdtest.Quota(quota))
	s := w.open(t, Options{})
	mustSave(t, s, 1, 1)
	if space, err := s.Space(t.Context()); err != nil || space.Full || space.Quota != quota || space.Size <= 0 {
		t.Errorf("space %+v, %v", space, err)
	}
	for full := false; !full; {
		_, err := w.Client.Put(t.Context(), "filler", strings.Repeat("x", 512<<10))
		if full = errors.Is(err, rpctypes.ErrNoSpace); err != nil && !full {
			t.Fatal(err)
		}
	}
	for _, err := range []error{save(t, s, 1, 2), save(t, s, 2, 1), s.Check(t.Context())} {
		expectFault(t, err, fault.Retry, fault.Storage, "write journal", "space exceeded", "etcd is full", "quota", "alarm disarm")
	}
	if space, err := s.Space(t.Context()); err != nil || !space.Full || space.share() < 0.9 {
		t.Errorf("space %+v, %v", space, err)
	}
	expectVersions(t, s, map[int]int{1: 1}) // it can be read
	w.makeRoom(t)
	mustSave(t, s, 1, 3)
	if space, err := s.Space(t.Context()); err != nil || space.Full || space.share() > 0.5 {
		t.Errorf("space %+v, %v", space, err)
	}
}

// makeRoom does what the error says.
func (w world) makeRoom(t *testing.T) {
	t.Helper()
	answer, err := w.Client.Get(t.Context(), "filler")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Client.Compact(t.Context(), answer.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	for _, m := range w.Members {
		if _, err := w.Client.Defragment(t.Context(), m.Endpoint); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Client.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
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
