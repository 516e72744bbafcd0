package daemon

import (
	"context"
	"net"
	"strings"
	"testing"
)

func TestOneReplicaLeadsAndTheNextGoesOnWhenItStops(t *testing.T) {
	h := newReplicated(t)
	first := h.run("first")
	h.eventually("the first leads", first.leads)
	second := h.run("second")
	h.eventually("the second is a candidate", func() bool { return h.candidates() == 2 })
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
	for _, line := range []string{"this replica leads now", "this replica stands by"} {
		if !strings.Contains(h.logged(), line) {
			t.Errorf("the log lacks %q:\n%s", line, h.logged())
		}
	}
}

func TestAReplicaWhoseLeaseIsLostGoesOnStandingBy(t *testing.T) {
	h := newReplicated(t)
	first := h.run("first")
	h.eventually("the first leads", first.leads)
	second := h.run("second")
	h.eventually("the second is a candidate", func() bool { return h.candidates() == 2 })
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
