package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestOneReplicaLeadsAndTheNextGoesOnWhenItStops(t *testing.T) {
	h := newReplicated(t)
	first, second := h.leaderAndStandby()
	h.eventually("the second says that it stands by", func() bool { return strings.Contains(h.logged(), "this replica stands by") })
	if second.leads() {
		t.Error("both lead")
	}
	if _, err := second.client().Rotate(t.Context(), "live", "subscribe", false); err == nil {
		t.Error("the second rotates")
	}
	first.rotate()
	first.end()
	h.eventually("the second leads", second.leads)
	second.rotate()
}

func TestAReplicaWhoseLeaseIsLostGoesOnStandingBy(t *testing.T) {
	h := newReplicated(t)
	first, second := h.leaderAndStandby()
	if _, err := h.etcd.Client.Revoke(t.Context(), h.leadersLease()); err != nil {
		t.Fatal(err)
	}
	h.eventually("the second leads", second.leads)
	second.rotate()
	h.eventually("the first stands by", func() bool {
		return !first.leads() && h.candidates() == 2 && first.client().Ready(t.Context()) == nil
	})
	second.end()
	h.eventually("the first leads again", first.leads)
	first.rotate()
}

// That is what an outage of etcd does, and nothing that a person has to mend.
func TestACandidateWhoseLeaseEndedIsOneAgain(t *testing.T) {
	h := newReplicated(t)
	h.leaderAndStandby()
	ended := h.nextsLease()
	if _, err := h.etcd.Client.Revoke(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	h.eventually("the second is a candidate again", func() bool { return h.candidates() == 2 && h.nextsLease() != ended })
	if log := h.logged(); strings.Contains(log, "cannot lead") || !strings.Contains(log, "it campaigns anew") {
		t.Errorf("the log:\n%s", log)
	}
}

// Replicas of two versions run side by side: the older one stands by.
func TestAReplicaLeavesLeadingToANewerRotatordWhoseFormatItDoesNotKnow(t *testing.T) {
	h := newReplicated(t)
	first, second := h.leaderAndStandby()
	put := func(format string) {
		t.Helper()
		if _, err := h.etcd.Client.Put(t.Context(), "/rotatord/meta/format", format); err != nil {
			t.Fatal(err)
		}
	}
	put("2")
	h.eventually("the standby is no candidate, and says why", func() bool {
		err := second.client().Ready(t.Context())
		return h.candidates() == 1 && err != nil && strings.Contains(err.Error(), "made by a newer rotatord") &&
			strings.Contains(err.Error(), "upgrade this one")
	})
	first.end()
	if second.leads() {
		t.Error("it leads")
	}
	put("1")
	h.eventually("it leads, as soon as it can", second.leads)
}

func TestWhatIsDamagedBesideTheRecordsIsNamedAndHoldsNoTakeOverUp(t *testing.T) {
	h := newReplicated(t)
	first, second := h.leaderAndStandby()
	damaged := []string{"/rotatord/meta/account/somebody"}
	for _, kept := range []string{"/rotatord/meta/marker/", "/rotatord/meta/shared/", "/rotatord/meta/term"} {
		h.eventually("the leader has written "+kept, func() bool {
			found, err := h.etcd.Client.Get(t.Context(), kept, clientv3.WithPrefix(), clientv3.WithKeysOnly())
			if err != nil || len(found.Kvs) != 1 {
				return false
			}
			damaged = append(damaged, string(found.Kvs[0].Key))
			return true
		})
	}
	for _, key := range damaged {
		if _, err := h.etcd.Client.Put(t.Context(), key, "rubbish"); err != nil {
			t.Fatal(err)
		}
	}
	h.eventually("the standby names all", func() bool {
		log := h.logged()
		return !slices.ContainsFunc(damaged, func(key string) bool { return !strings.Contains(log, key) })
	})
	first.end()
	h.eventually("the second leads", second.leads)
	second.rotate()
	if log := h.logged(); strings.Contains(log, "cannot lead") || !strings.Contains(log, "what is kept of an account is damaged") {
		t.Errorf("the log:\n%s", log)
	}
	third := h.run("third")
	second.end()
	h.eventually("the third leads, and sees the marker", third.leads)
}

func TestAReplicaWithoutEtcdIsPatientAndNotReadyAndStopsAtOnce(t *testing.T) {
	h := newReplicated(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	alone := h.start("alone", h.configFor("alone", []string{"http://" + nobody.Addr().String()}))
	h.eventually("it says why it is not ready", func() bool {
		err := alone.client().Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "connection refused")
	})
	alone.stop()
	ctx, cancel := context.WithTimeout(t.Context(), pagesTime)
	defer cancel()
	select {
	case <-alone.ended:
	case <-ctx.Done():
		t.Error("it does not end at once")
	}
}

func TestAReplicaGoesOnWhenEtcdIsBack(t *testing.T) {
	h := newReplicated(t)
	only := h.run("only")
	h.eventually("it leads", only.leads)
	h.etcd.Members[0].Kill()
	h.eventually("it is not ready", func() bool { return only.client().Ready(t.Context()) != nil })
	h.etcd.Members[0].Run(t)
	h.eventually("it leads again", func() bool { return only.leads() && only.client().Ready(t.Context()) == nil })
	only.rotate()
}

func TestASingleRunLeadsIfNobodyElseDoes(t *testing.T) {
	h := newReplicated(t)
	path := h.configFor("once", h.etcd.Endpoints(), "initial: schedule", "initial: now")
	once := func() ([]slot.Status, error) { return RunOnce(t.Context(), h.loadFrom(path), h.options()) }
	failed, err := once()
	if err != nil || len(failed) > 0 {
		t.Fatalf("%+v, %v", failed, err)
	}
	if _, err := os.Stat(h.path("live-subscribe.token")); err != nil {
		t.Error(err)
	}
	if n := h.candidates(); n > 0 {
		t.Errorf("it has left %d candidates", n)
	}
	leader := h.run("leader")
	h.eventually("it leads", leader.leads)
	if _, err := once(); err == nil || !strings.Contains(err.Error(), "leads") {
		t.Errorf("beside who leads: %v", err)
	}
}

func TestAStandbyTakesAReloadForItsTermAndTellsTheOthers(t *testing.T) {
	h := newReplicated(t)
	first := h.run("first")
	h.eventually("the first leads", first.leads)
	second := h.run("second")
	for _, r := range []*tenant{second, first} {
		h.configFor(r.name, h.etcd.Endpoints(), "tokens: {subscribe: {}}", "tokens: {subscribe: {}, publish: {}}")
		got, err := r.client().Reload(t.Context())
		if err != nil || strings.Join(got.Slots.Added, " ") != "live/publish" {
			t.Errorf("%s: %+v, %v", r.name, got, err)
		}
	}
	h.eventually("the first tells its digest", func() bool { return h.configs() == 1 })
	first.end()
	h.eventually("the second leads", second.leads)
	if all, err := second.client().Slots(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("it works at %+v, %v", all, err)
	}
}

func TestAReplicaWithAnotherConfigurationLeavesLeadingToTheOthers(t *testing.T) {
	h := newReplicated(t)
	first := h.run("first")
	h.eventually("the first leads", first.leads)
	h.configFor("other", h.etcd.Endpoints(), "tokens: {subscribe: {}}", "tokens: {subscribe: {}, publish: {}}")
	other := h.start("other", h.path("other.yaml"))
	h.eventually("it stands by", func() bool { return other.client().Ready(t.Context()) == nil })
	h.eventually("it says so", func() bool { return strings.Contains(h.logged(), "this replica's configuration differs") })
	if n := h.candidates(); n != 1 {
		t.Errorf("%d candidates", n)
	}
	equal := h.run("equal")
	h.eventually("an equal one is a candidate", func() bool { return h.candidates() == 2 })
	first.end()
	h.eventually("the equal one leads", equal.leads)
	if other.leads() {
		t.Error("the other leads")
	}
	equal.end()
	h.eventually("the other leads, as nobody else is there", other.leads)
}

func TestWhatATermOpensEndsWithIt(t *testing.T) {
	h := newReplicated(t)
	term, err := leadership.Candidate{
		Client: h.etcd.Client, Prefix: "/rotatord/election", Length: 3 * time.Second, Elapsed: sinceBoot, Card: leadership.Card{Replica: "a"},
	}.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := untilOver(t.Context(), term)
	defer cancel()
	if ctx.Err() != nil {
		t.Error("it has ended before")
	}
	term.End(errors.New("so the test wants it"))
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, leadership.ErrOver) {
		t.Errorf("it has ended because of %v", err)
	}
}

func TestAStandbyTellsForHowLongItHasNotFollowed(t *testing.T) {
	h := newReplicated(t)
	first, second := h.leaderAndStandby()
	const series = "rotatord_standby_behind_seconds"
	if v := first.metric(series); v != "" {
		t.Errorf("who leads is behind by %s", v)
	}
	behind := func() float64 {
		seconds, err := strconv.ParseFloat(second.metric(series), 64)
		if err != nil {
			return -1
		}
		return seconds
	}
	const some = 3
	h.eventually("it follows", func() bool { return behind() >= 0 && behind() < some })
	h.etcd.Members[0].Kill()
	h.eventually("it does not", func() bool { return behind() > some })
	h.etcd.Members[0].Run(t)
	h.eventually("it follows, or leads, again", func() bool { return behind() < some })
}
