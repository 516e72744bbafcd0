package metrics

import (
	"testing"
	"time"
)

// TestASinkIsUpWhileItAcceptsCalls has calls fail and go well, so and so long after the start.
func TestASinkIsUpWhileItAcceptsCalls(t *testing.T) {
	const interval = time.Minute
	accepted, failed := true, false
	type call struct {
		at       time.Duration
		accepted bool
	}
	for name, c := range map[string]struct {
		calls []call
		at    time.Duration
		want  float64
	}{
		"the last call was accepted, long ago":       {[]call{{0, accepted}}, time.Hour, 1},
		"one failed, and none was accepted":          {[]call{{0, failed}}, 0, 0},
		"one target of many is bad":                  {[]call{{0, accepted}, {time.Second, failed}}, interval, 1},
		"none was accepted within the last interval": {[]call{{0, accepted}, {time.Second, failed}}, interval + 1, 0},
		"it is back": {[]call{{0, failed}, {time.Hour, accepted}}, time.Hour, 1},
		"it was back, and one target of many fails again":       {[]call{{0, failed}, {time.Hour, accepted}, {time.Hour, failed}}, time.Hour, 1},
		"one failed long ago, and was accepted after that":      {[]call{{0, failed}, {1, accepted}}, time.Hour, 1},
		"what was accepted before is outlived by what fails on": {[]call{{0, accepted}, {time.Hour, failed}}, time.Hour, 0},
	} {
		clock := now
		m := New(Options{Now: func() time.Time { return clock }})
		m.Configure(refs(), []SinkRef{{"disk", "file", interval}, {"vault", "vault", interval}}, []string{"main"})
		for _, k := range c.calls {
			clock = now.Add(k.at)
			m.Contacted("disk", k.accepted, clock)
			m.Up("main", k.accepted)
		}
		clock = now.Add(c.at)
		got := gather(t, m)
		if up := series(got["rotatord_sink_up"])["sink=disk"]; up != c.want {
			t.Errorf("%s: sink_up is %v", name, up)
		}
		if up := series(got["rotatord_account_up"])["account=main"]; up != c.want {
			t.Errorf("%s: account_up is %v", name, up)
		}
		if _, there := series(got["rotatord_sink_up"])["sink=vault"]; there {
			t.Errorf("%s: sink_up is there of a sink that was never called", name)
		}
	}
}

func TestASinkThatCannotWorkIsDownAtOnce(t *testing.T) {
	m := newMetrics(t, true)
	exercise(m)
	m.SinkDown("disk")
	m.AccountDown("main")
	got := gather(t, m)
	if series(got["rotatord_sink_up"])["sink=disk"] != 0 || series(got["rotatord_account_up"])["account=main"] != 0 {
		t.Error("what was accepted before still counts")
	}
}

func TestTheFleetIsSummedUpWithoutSeriesBySlot(t *testing.T) {
	m := newMetrics(t, false)
	got := gather(t, m)
	for name, want := range map[string]map[string]float64{
		"slots":         {"account=main state=idle": 1, "account=main state=failing": 1, "account=main state=grace": 0},
		"slots_overdue": {"account=main": 0},
		"earliest_token_expiry_timestamp_seconds": {"account=main": seconds(now.Add(time.Hour))},
		"oldest_blackout_start_timestamp_seconds": {"account=main": seconds(now.Add(-2 * time.Minute))},
		"targets": {
			"required=false sink=disk state=pending": 1, "required=true sink=vault state=missing": 1,
			"required=true sink=disk state=pending": 0, "required=true sink=vault state=ok": 0,
		},
		"budget_waiting":     {"account=main": 3},
		"journal_size_bytes": {"": 1 << 20},
		"state_free_bytes":   {"": 1 << 30},
	} {
		found := series(got["rotatord_"+name])
		for labels, value := range want {
			if v, there := found[labels]; !there || v != value {
				t.Errorf("%s{%s} is %v, there: %t; want %v", name, labels, v, there, value)
			}
		}
	}
	if got["rotatord_slot_unhealthy_targets"] != nil {
		t.Error("slot_unhealthy_targets names a relay")
	}
}
