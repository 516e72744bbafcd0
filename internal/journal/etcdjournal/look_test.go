package etcdjournal

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

func TestALookChangesNothingAndTellsWhoLed(t *testing.T) {
	w := newWorld(t, 1)
	options := FollowOptions{Prefix: w.prefix, Keys: []secret.Value{w.key}}
	look := func() TermRecord {
		t.Helper()
		if err := MayWrite(t.Context(), w.Client, w.prefix); err != nil {
			t.Fatal(err)
		}
		seen, err := Look(t.Context(), w.Client, options)
		if err != nil {
			t.Fatal(err)
		}
		return seen.Term
	}
	if got := look(); got != (TermRecord{}) {
		t.Errorf("in an empty etcd: %+v", got)
	}
	if n := w.countKeys(t); n != 0 {
		t.Errorf("it left %d keys", n)
	}
	term := w.open(t, Options{TermRecord: TermRecord{Replica: "a"}}).term
	before := w.countKeys(t)
	if got := look(); got.Replica != "a" || got.Revision != term.Revision {
		t.Errorf("got %+v", got)
	}
	if n := w.countKeys(t); n != before {
		t.Errorf("%d keys became %d", before, n)
	}
}

func (w world) countKeys(t *testing.T) int64 {
	t.Helper()
	found, err := w.Client.Get(t.Context(), w.prefix+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		t.Fatal(err)
	}
	return found.Count
}

func TestALookTellsWhoHasAnotherIdentity(t *testing.T) {
	w := newWorld(t, 1)
	identity := func() *secret.Identity {
		id, err := secret.GenerateIdentity()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	ours := identity()
	w.open(t, Options{Identity: ours})
	for id, good := range map[*secret.Identity]bool{ours: true, identity(): false} {
		_, err := Look(t.Context(), w.Client, FollowOptions{Prefix: w.prefix, Keys: []secret.Value{w.key}, Identity: id})
		if good && err != nil {
			t.Error(err)
		}
		if !good {
			expectFault(t, err, fault.Permanent, fault.Invalid, "read journal", "another age identity", "give all replicas one identity_file")
		}
	}
}

func TestWhoMayNotWriteIsToldWithoutWriting(t *testing.T) {
	w := newWorld(t, 1)
	w.enableAuth(t)
	if err := MayWrite(t.Context(), w.login(t, "rotatord"), w.prefix); err != nil {
		t.Error(err)
	}
	expectFault(t, MayWrite(t.Context(), w.login(t, "stranger"), w.prefix), fault.Retry, fault.Storage,
		"write journal", "permission denied", "readwrite on /rotatord/")
}

func TestWhatTheFirstLeaderSawInASharedFolderIsWhatAllAreToSee(t *testing.T) {
	w := newWorld(t, 1)
	var s *Store
	for _, text := range []string{"first", "second"} {
		s = w.open(t, Options{})
		if got, err := s.NoteMarker(t.Context(), "/srv/moq", text); err != nil || got != "first" {
			t.Errorf("%s: got %q, %v", text, got, err)
		}
	}
	c := Follow(w.Client, FollowOptions{Prefix: w.prefix, Keys: []secret.Value{w.key}})
	defer c.Close()
	if err := c.Ready(t.Context(), s.TermRevision()); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{"/srv/moq": "first", "/srv": ""} {
		if got, err := c.Marker(folder); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", folder, got, err, want)
		}
	}
}
