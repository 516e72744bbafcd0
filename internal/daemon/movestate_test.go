package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/journal/journaltest"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/secret"
)

// moveWorld is a journal with one slot, and an etcd that it is moved to.
type moveWorld struct {
	*testing.T
	etcd *etcdtest.Cluster
	cfg  *config.Config
	told []string
}

func newMoveWorld(t *testing.T) *moveWorld {
	t.Helper()
	dir := t.TempDir()
	w := &moveWorld{T: t, etcd: etcdtest.Start(t, 1), cfg: &config.Config{}}
	w.cfg.State = config.State{
		Path: filepath.Join(dir, "state"), IdentityFile: filepath.Join(dir, "identity"),
		Etcd: &config.Etcd{Endpoints: w.etcd.Endpoints(), Prefix: "/rotatord", LeaseTTL: 3 * time.Second},
	}
	if _, err := secret.CreateIdentity(w.cfg.State.IdentityFile); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(w.cfg.State.Path, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := journaltest.Record(1, 1, 0)
	r.Rotation = nil // nothing is on its way
	if err := j.Save(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *moveWorld) moveToEtcd() error {
	_, err := MoveState(w.Context(), w.cfg, MoveOptions{
		Folder: w.cfg.State.Path, ToEtcd: true, Tell: func(line string) { w.told = append(w.told, line) },
	})
	return err
}

// candidate puts a candidate into the election, who is gone after a while.
func (w *moveWorld) candidate(name string, seconds int64) {
	w.Helper()
	lease, err := w.etcd.Client.Grant(w.Context(), seconds)
	if err != nil {
		w.Fatal(err)
	}
	card, err := json.Marshal(leadership.Card{Replica: name, Since: journaltest.Day()})
	if err != nil {
		w.Fatal(err)
	}
	key := fmt.Sprintf("/rotatord/election/%x", lease.ID)
	if _, err := w.etcd.Client.Put(w.Context(), key, string(card), clientv3.WithLease(lease.ID)); err != nil {
		w.Fatal(err)
	}
}

func TestAMoveNamesTheReplicasThatUseEtcd(t *testing.T) {
	w := newMoveWorld(t)
	w.candidate("one:9476", 600)
	w.candidate("two:9476", 600)
	err := w.moveToEtcd()
	for _, words := range []string{
		"etcd is in use: the replica one:9476 leads since 2026-11-23T04:00:00Z, the replica two:9476 stands by", "stop all replicas", "3s",
	} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v lacks %q", err, words)
		}
	}
}

func TestAMoveWaitsUntilAnEarlierOneThatWasKilledIsGone(t *testing.T) {
	w := newMoveWorld(t)
	w.candidate(moverName+" on another machine", 2)
	if err := w.moveToEtcd(); err != nil {
		t.Fatal(err)
	}
	if len(w.told) == 0 || !strings.Contains(w.told[0], "waiting until an earlier copy is gone") {
		t.Errorf("it tells %q", w.told)
	}
}

func TestAMoveNamesTheProcessThatUsesTheFolder(t *testing.T) {
	w := newMoveWorld(t)
	j, err := journal.Open(w.cfg.State.Path, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	if err := w.moveToEtcd(); err == nil || !strings.Contains(err.Error(), fmt.Sprint("another rotatord holds it: process ", os.Getpid())) {
		t.Errorf("it says %v", err)
	}
}
