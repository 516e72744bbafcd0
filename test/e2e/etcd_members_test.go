package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal/etcdtest"
	"github.com/rotatord/rotatord/internal/slot"
)

// One member of etcd after the other is removed, while rotatord is connected to it, and another takes its place and its
// address, until none is left of those that were there. The leader leads on.
func TestEveryMemberOfEtcdIsReplacedUnderALeader(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 3)
	g := startReplicasOn(t, etcd, 2, 3*time.Second, settings{Defaults: `{schedule: "* * * * * *", initial: now, strategy: in_place, sinks: [disk]}`})
	leader := g.leader()
	for _, m := range etcd.Members {
		etcd.Replace(t, m)
		leader.rotatesOn("live/subscribe")
	}
	if g.leader() != leader || strings.Contains(leader.logs.String(), "leads no more") {
		t.Error("another one came to lead")
	}
	leader.Kill()
	next := g.leader()
	next.rotatesOn("live/subscribe")
}

// rotatesOn waits until a slot has another token than now.
func (d *daemon) rotatesOn(name string) {
	d.t.Helper()
	before := d.slot(name).LastRotation
	d.untilSlot(name, func(s slot.Status) bool { return s.LastRotation.After(before) })
}

// Who leads knows members by the configuration alone. Where none of those is left it says so, and goes on with others'
// addresses after a restart.
func TestAnEtcdThatMovedIsToldAndFoundWithItsNewAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	etcd := etcdtest.Start(t, 1)
	w.shareEtcd(etcd)
	w.configure(settings{Disk: ", shared: true"})
	d := w.startLeader()
	d.rotatord("rotate", "live/subscribe").Expect(t, 0)
	served := d.served(0, "live/subscribe")
	etcd.Move(t)
	d.unready("connection refused", "check endpoints of state.etcd")
	d.says("cannot lead", "connection refused", "check endpoints of state.etcd")
	d.stop()
	w.etcd = keysOf(etcd, 3*time.Second)
	w.configure(settings{Disk: ", shared: true"})
	d = w.startLeader()
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Sinks[0].State == slot.TargetOK })
	if d.token("live/subscribe") != served || w.ownTokens() != 1 {
		t.Error("it has rotated")
	}
}
