package daemon

import (
	"errors"
	"testing"

	"github.com/rotatord/rotatord/internal/leadership"
)

// followOther returns an idle replica whose configuration is another than the one of who leads, and when it counts as gone.
func (h *replicated) followOther() *replica {
	h.Helper()
	first := h.run("first")
	h.eventually("the first leads", first.leads)
	other := h.idle("other", "tokens: {subscribe: {}}", "tokens: {subscribe: {}, publish: {}}")
	if !other.hasOtherConfig(other.copy.Load()) {
		h.Fatal("it knows of no other configuration")
	}
	return other
}

// keepOn keeps a replica's vigils, from now on, by its last look for two leases and a while.
func (r *replica) keepOn() {
	for at, last := sinceBoot(), sinceBoot()+r.twoLeases()+countedAtMost; at <= last; at += countedAtMost {
		r.keepVigils(r.copy.Load(), at)
	}
}

func TestAnOutageOfEtcdProvesOfNobodyThatTheyAreGone(t *testing.T) {
	h := newReplicated(t)
	other := h.followOther()
	h.etcd.Members[0].Kill()
	other.lookWhoLeads(t.Context())
	other.keepOn()
	if err := other.yields(other.copy.Load()); other.lastLook.Load().err == nil || !errors.Is(err, errOtherConfig) {
		t.Errorf("after two leases without an answer: %v", err)
	}
}

func TestAReplicaWithAnotherConfigurationLeadsOnceItHasSeenNobodyForTwoLeases(t *testing.T) {
	h := newReplicated(t)
	other := h.followOther()
	for seen, want := range map[*electionLook]error{
		{cards: []leadership.Card{{Config: other.lastConfig()}}}: errOtherConfig,
		{cards: []leadership.Card{{Config: "a third one"}}}:      nil,
	} {
		other.beginVigils()
		other.lastLook.Store(seen)
		other.keepOn()
		if err := other.yields(other.copy.Load()); !errors.Is(err, want) {
			t.Errorf("%+v: %v, want %v", seen.cards, err, want)
		}
	}
}

func (r *replica) lastConfig() string {
	last, _ := r.copy.Load().Term()
	return last.Config
}

func TestWhatWasSeenBeforeATermIsOfNoUseAfterIt(t *testing.T) {
	h := newReplicated(t)
	other := h.followOther()
	other.lastLook.Store(&electionLook{})
	other.keepOn()
	if err := other.yields(other.copy.Load()); err != nil {
		t.Errorf("after two leases in which nobody was seen: %v", err)
	}
	other.copy.Load().Close()
	other.copy.Store(nil) // as who is elected does
	h.follow(other)
	if err := other.yields(other.copy.Load()); !errors.Is(err, errOtherConfig) || other.others.lastedFor(anybody) > 0 {
		t.Errorf("when it follows again: %v", err)
	}
}
