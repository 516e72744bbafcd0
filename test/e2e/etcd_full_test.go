package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/slot"
)

// A full etcd refuses every write and every new lease. Who leads goes on leading, brings home what is on its way, and
// mints nothing; nobody takes over; all say why; and with room everything goes on by itself.
func TestAFullEtcdIsToldByNameAndSurvived(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 1, etcdtest.Quota(4<<20))
	g := startReplicasOn(t, etcd, 2, 3*time.Second, settings{Defaults: "{schedule: manual, initial: schedule, grace: 1s, settle: 12s, sinks: [disk]}"})
	leader := g.leader()
	standby := g.standby(leader)
	leader.rotatord("rotate", "live/subscribe").Expect(t, 0) // over nothing: no need to settle
	first := leader.served(0, "live/subscribe")
	leader.asks("live/subscribe")
	leader.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == slot.StateSettling })

	etcd.Fill(t, func() {})
	if leader.token("live/subscribe") != first {
		t.Fatal("it is delivered before etcd is full")
	}
	leader.unready("etcd is full", "alarm disarm")
	leader.says("the journal cannot be written: no new token is minted until it can", "etcd is full")
	standby.unready("no replica can be elected", "alarm disarm")
	standby.says("no replica can be elected")
	for _, d := range g.all {
		d.rotatord("status").Expect(t, 0, "no replica can be elected", "alarm disarm")
	}
	leader.until(func() error {
		if leader.token("live/subscribe") == first {
			return errors.New("what was journalled before is not delivered")
		}
		return nil
	})
	leader.served(0, "live/subscribe")
	leader.rotatord("rotate", "live/subscribe").Expect(t, 1, "etcd is full")
	leader.hasMinted(2)
	if g.leader() != leader || strings.Contains(leader.logs.String(), "leads no more") {
		t.Error("it leads no more")
	}

	etcd.MakeRoom(t)
	leader.ready()
	standby.ready()
	leader.asks("live/subscribe")
	leader.hasMinted(3)

	etcd.Fill(t, func() {})
	standby.unready("no replica can be elected")
	leader.Kill()
	standby.says("this replica cannot lead", "etcd is full")
	etcd.MakeRoom(t)
	if next := g.leader(); next != standby {
		t.Error("another one leads")
	}
	standby.served(0, "live/subscribe")
	standby.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State != slot.StateSettling })
	standby.asks("live/subscribe")
	standby.hasMinted(4)
}

// asks asks for a rotation, and does not wait for it.
func (d *daemon) asks(name string) {
	d.t.Helper()
	relay, typ, _ := strings.Cut(name, "/")
	if _, err := d.api.Rotate(d.t.Context(), relay, typ, false); err != nil {
		d.t.Fatal(err)
	}
}

// hasMinted waits until so many tokens were made, and demands that it was not one more.
func (d *daemon) hasMinted(want int) {
	d.t.Helper()
	d.until(func() error {
		if made := d.sim.Counts()[cfsim.Create]; made != want {
			return fmt.Errorf("%d tokens were made, not %d", made, want)
		}
		return nil
	})
}
