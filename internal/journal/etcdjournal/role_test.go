package etcdjournal

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/secret"
)

// What the documents advise.
func TestARoleOfThePrefixAloneSuffices(t *testing.T) {
	w := newWorld(t, 1)
	w.enableAuth(t)
	client := w.login(t, "rotatord")
	s, err := w.tryOpen(t, client, Options{Term: w.lead(t, client)})
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, s, 1, 1, journaltest.Event(1, 0, "an event"))
	expectVersions(t, s, map[int]int{1: 1})
	if events, err := s.History(t.Context(), nil, 0); err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if space, err := s.Space(t.Context()); err != nil || space.Quota <= 0 {
		t.Errorf("space %+v, %v", space, err)
	}
	if can, err := s.CanRead(t.Context(), s.Revision()); err != nil || !can {
		t.Errorf("CanRead: %t, %v", can, err)
	}
}

func TestAUserWithoutTheRoleIsToldWhatToGrant(t *testing.T) {
	w := newWorld(t, 1)
	w.enableAuth(t)
	_, err := w.tryOpen(t, w.login(t, "stranger"), Options{Term: Term{w.prefix + "/election/1", 1}})
	expectFault(t, err, fault.Retry, fault.Storage, "open journal", "permission denied", "readwrite on /rotatord/")
	_, err = w.tryOpen(t, w.Client, Options{Term: Term{w.prefix + "/election/1", 1}}) // who has no name
	expectFault(t, err, fault.Retry, fault.Storage, "open journal", "readwrite on /rotatord/")
	_, err = Dial(Access{Endpoints: w.Endpoints(), Username: "rotatord", Password: secret.New("another")})
	expectFault(t, err, fault.Retry, fault.Storage, "open journal", w.Members[0].Endpoint, "username and password")
}

// enableAuth has etcd ask for names: root, rotatord, who may use the prefix, and a stranger.
func (w world) enableAuth(t *testing.T) {
	t.Helper()
	ctx, c, below := t.Context(), w.Client, w.prefix+"/"
	for _, step := range []func() error{
		func() error { _, err := c.RoleAdd(ctx, "root"); return err },
		func() error { _, err := c.RoleAdd(ctx, "rotatord"); return err },
		func() error {
			_, err := c.RoleGrantPermission(ctx, "rotatord", below, clientv3.GetPrefixRangeEnd(below), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := c.UserAdd(ctx, "root", "root"); return err },
		func() error { _, err := c.UserAdd(ctx, "rotatord", "rotatord"); return err },
		func() error { _, err := c.UserAdd(ctx, "stranger", "stranger"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "rotatord", "rotatord"); return err },
		func() error { _, err := c.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// login makes the client of a user, whose name is his password.
func (w world) login(t *testing.T, name string) *clientv3.Client {
	t.Helper()
	client, err := Dial(Access{Endpoints: w.Endpoints(), Username: name, Password: secret.New(name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
