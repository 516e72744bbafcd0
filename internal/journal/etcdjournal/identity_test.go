package etcdjournal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

// newIdentity makes an identity's file, in which others come after the new one, and reads it.
func newIdentity(t testing.TB, others ...*secret.Identity) *secret.Identity {
	t.Helper()
	path := filepath.Join(t.TempDir(), "identity")
	if _, err := secret.CreateIdentity(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n, other := range others {
		more := fmt.Sprint(path, n)
		if err := other.Restore(more); err != nil {
			t.Fatal(err)
		}
		also, err := os.ReadFile(more)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, also...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := secret.LoadIdentity(path, secret.ThisProcess(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func keysOf(t testing.TB, i *secret.Identity) []secret.Value {
	t.Helper()
	keys, err := KeysOf(i)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestWhoCannotOpenForTheFirstLeaderDoesNotLead(t *testing.T) {
	w := newWorld(t, 1)
	first, other := newIdentity(t), newIdentity(t)
	early := w.follow(t, FollowOptions{Identity: other, Keys: keysOf(t, other)})
	follows(t, early) // nobody has led yet
	s := w.open(t, Options{Identity: first, Keys: keysOf(t, first)})
	mustSave(t, s, 1, 1)
	late := w.follow(t, FollowOptions{Identity: other, Keys: keysOf(t, other)})
	for _, c := range []*Copy{early, late} {
		eventually(t, "the copy is refused", func() bool { return errors.Is(c.Err(), ErrOtherIdentity) })
		expectFault(t, c.Err(), fault.Permanent, fault.Invalid, first.Recipient(), other.Recipient(), "one identity_file")
	}
	_, err := w.tryOpen(t, w.Client, Options{Term: w.lead(t, w.Client), Identity: other, Keys: keysOf(t, other)})
	if !errors.Is(err, ErrOtherIdentity) {
		t.Errorf("a store: %v", err)
	}
	expectFault(t, err, fault.Permanent, fault.Invalid, first.Recipient(), other.Recipient())
	if got := string(w.raw(t, w.prefix+"/"+recipientKey)); got != first.Recipient() {
		t.Errorf("the recipient is %q", got)
	}
}

func TestWhoHasTheFirstLeadersIdentityAmongOthersLeads(t *testing.T) {
	w := newWorld(t, 1)
	first := newIdentity(t)
	mustSave(t, w.open(t, Options{Identity: first, Keys: keysOf(t, first)}), 1, 1)
	both := newIdentity(t, first)
	follows(t, w.follow(t, FollowOptions{Identity: both, Keys: keysOf(t, both)}))
	expectVersions(t, w.open(t, Options{Identity: both, Keys: keysOf(t, both)}), map[int]int{1: 1})
}

func TestAllReplicasKnowASharedKey(t *testing.T) {
	w := newWorld(t, 1)
	i := newIdentity(t)
	s := w.open(t, Options{Identity: i, Keys: keysOf(t, i)})
	c := w.follow(t, FollowOptions{Identity: i, Keys: keysOf(t, i)})
	follows(t, c)
	if _, err := c.SharedKey("forwarding"); err == nil {
		t.Error("it is there before it was made")
	}
	made := mustShare(t, s, "forwarding")
	if len(made) != sharedKeySize || made == mustShare(t, s, "another") {
		t.Errorf("a key of %d bytes", len(made))
	}
	next := w.open(t, Options{Identity: i, Keys: keysOf(t, i)})
	if made != mustShare(t, next, "forwarding") {
		t.Error("the next leader has another")
	}
	eventually(t, "a standby knows it", func() bool {
		key, err := c.SharedKey("forwarding")
		return err == nil && key.Reveal() == made
	})
}

func mustShare(t testing.TB, s *Store, name string) string {
	t.Helper()
	key, err := s.SharedKey(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return key.Reveal()
}
