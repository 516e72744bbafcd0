package e2e

import (
	"fmt"
	"testing"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/secret"
)

// Whoever moves the journal to etcd and back as the documents say mints nothing by it, and loses nothing.
func TestTheJournalIsMovedToEtcdAndBackAndNothingIsMinted(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 1)
	w := newWorld(t, 1)
	w.identity = w.Path("identity.txt")
	if _, err := secret.CreateIdentity(w.identity); err != nil {
		t.Fatal(err)
	}
	state := w.Path("state")
	replicated := fmt.Sprintf("%s, etcd: {endpoints: [%s], lease_ttl: 3s}", state, etcd.Endpoints()[0])
	embedded, shared := settings{State: state}, settings{State: replicated, Disk: ", shared: true"}

	w.configure(embedded)
	d := w.start()
	w.rotatord("rotate", "live/subscribe").Expect(t, 0)
	value, history := d.served(0, "live/subscribe"), w.rotatord("history").Expect(t, 0, "rotated").Out
	w.configure(shared)
	w.rotatord("state", "copy", "embedded", "etcd").Expect(t, 1, "another rotatord holds it: process", "run (", "stop it")
	if code := d.stop(); code != 0 {
		t.Fatalf("it stopped with %d", code)
	}
	t.Log(w.rotatord("state", "copy", "embedded", "etcd").Expect(t, 0, "1 record,", "ready", "rotatord state copy etcd embedded").Out)
	w.rotatord("state", "copy", "embedded", "etcd").Expect(t, 0, "nothing to do: this was done at")

	w.configure(embedded)
	w.rotatord("run").Expect(t, 1, "its journal was moved to etcd", "rotatord state copy etcd "+state)
	w.configure(shared)
	d = w.start()
	w.rotatord("state", "copy", "etcd", "embedded").Expect(t, 1, "etcd is in use: the replica", "leads since", "stop all replicas first")
	w.isAsBefore(d, value, history)
	d.stop()
	t.Log(w.rotatord("state", "copy", "etcd", "embedded").Expect(t, 0, "1 record,", "take state.etcd out of the configuration").Out)

	standby := w.launch("run")
	standby.says("this replica cannot lead", "its journal was moved to "+state, "rotatord state copy "+state+" etcd")
	standby.stop()
	w.configure(embedded)
	w.isAsBefore(w.start(), value, history)
}

// isAsBefore demands that a daemon knows what the one before did, and has done nothing since.
func (w *world) isAsBefore(d *daemon, value, history string) {
	w.t.Helper()
	if got := d.served(0, "live/subscribe"); got != value {
		w.t.Error("another value is served")
	}
	if got := w.rotatord("history").Expect(w.t, 0).Out; got != history {
		w.t.Errorf("the history is\n%swant\n%s", got, history)
	}
	if n := w.ownTokens(); n != 1 {
		w.t.Errorf("there are %d tokens", n)
	}
}
