package daemon

import (
	"strconv"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// nextRun is the next run of a token of the relay live, as the metrics tell it.
func (r *tenant) nextRun(typ string) time.Time {
	r.Helper()
	var seconds float64
	r.eventually(r.name+" tells the next run", func() (told bool) {
		var err error
		seconds, err = strconv.ParseFloat(r.metric(`rotatord_next_rotation_timestamp_seconds{relay="live",type="`+typ+`"}`), 64)
		return err == nil
	})
	return time.Unix(int64(seconds), 0)
}

// leave has etcd hold what a leader of the past has journalled.
func (h *replicated) leave(record *slot.Record) {
	h.Helper()
	keys, err := etcdjournal.KeysOf(h.identity)
	if err != nil {
		h.Fatal(err)
	}
	s, err := etcdjournal.Open(h.Context(), h.etcd.Client, etcdjournal.Options{Prefix: "/rotatord", Keys: keys, Identity: h.identity})
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Save(h.Context(), record); err != nil {
		h.Fatal(err)
	}
}

func TestAStandbyTakesASlotThatTheLeaderLacksForNew(t *testing.T) {
	h := newReplicated(t)
	_, second := h.leaderAndStandby()
	h.configFor("second", h.etcd.Endpoints(), "tokens: {subscribe: {}}", `tokens: {subscribe: {}, publish: {schedule: "@daily"}}`)
	if _, err := second.client().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next := second.nextRun("publish"); time.Since(next) > time.Minute {
		t.Errorf("its first run was due at %s", next)
	}
}

func TestAStandbyCallsNoRunOverdueThatTheLeaderLeavesOut(t *testing.T) {
	h := newReplicated(t)
	h.leave(&slot.Record{
		Key:       moq.Key{AccountID: accountID, RelayID: relayID, Type: moq.Subscribe},
		FirstSeen: slot.TimestampOf(time.Now().Add(-100 * time.Hour)),
	})
	start := func(name string) *tenant {
		return h.start(name, h.configFor(name, h.etcd.Endpoints(), "schedule: manual", `schedule: "@daily", catch_up: false`))
	}
	first := start("first")
	h.eventually("the first leads", first.leads)
	second := start("second")
	h.eventually("the second is a candidate", func() bool { return h.candidates() == 2 })
	for _, r := range []*tenant{first, second} {
		if next := r.nextRun("subscribe"); time.Since(next) > time.Minute {
			t.Errorf("by the %s it was due at %s", r.name, next)
		}
	}
}
