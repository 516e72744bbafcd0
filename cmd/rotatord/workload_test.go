package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/workload"
)

func TestAWorkloadIsSaidInNumbersThatPeopleRead(t *testing.T) {
	monday := time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	r := &workload.Report{
		Fullest:  workload.Relay{Name: "live", Places: config.Places{Usual: 4, Most: 6}},
		Accounts: []workload.Account{{Name: "main", Calls: 1234.4}, {Name: "spare"}},
		Sinks:    []workload.Sink{{Name: "aws", Targets: 1, Calls: 0.25}, {Name: "disk", Targets: 12, Calls: 5760000}},
		Budgets: []workload.Budget{
			{
				Accounts: []string{"main", "spare"}, Calls: 1234, PerDay: 171072,
				Backlog: workload.Backlog{At: monday, Slots: 500, Takes: 202 * time.Second},
			},
			{Accounts: []string{"other"}, Calls: 288000, PerDay: 171072},
			{Accounts: []string{"quiet"}, Calls: 1, PerDay: 171072},
		},
	}
	var out bytes.Buffer
	a := &app{stdio: stdio{out: &out}}
	a.sayWorkload(r)
	a.warnWorkload(r)
	const want = `relays: live needs most places, 4 and at times 6 of a relay's 10; others' tokens take places too
account main: about 1,234 calls a day
account spare: no calls a day
sink aws: less than 1 call a day for 1 target
sink disk: about 5,760,000 calls a day for 12 targets
warning: account main and spare: 500 slots are due at 2026-11-30 04:00:00Z or soon after, and the request budget takes about 3m22s until the last of them has its token (spread them by jitter or other schedules, or raise rate_limit)
warning: account other: the schedules need about 288,000 calls a day, and the request budget takes 171,072 (give rarer schedules, or raise rate_limit)
`
	if out.String() != want {
		t.Errorf("said\n%s\nwant\n%s", out.String(), want)
	}
}
