package workload

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

// It is a Friday.
var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const head = `
accounts:
  main: {account_id: 023e105f4ecef8ad9ca31a8372d0c353, api_token: {env: MAIN}}
  other: {account_id: 123e105f4ecef8ad9ca31a8372d0c353, api_token: {env: OTHER}}
sinks:
  disk: {type: file, path: "/moq/{{.Relay}}/{{.Type}}"}
  safe: {type: vault, path: "moq/{{.Relay}}/{{.Type}}", auth: {token: {env: VAULT}}}
  aws: {type: aws_secrets_manager, region: eu-west-1, secret_id: "moq/{{.Relay}}/{{.Type}}"}
`

// fleetOf is a configuration of relays, n of each kind of settings.
func fleetOf(t testing.TB, top string, kinds ...kind) *config.Config {
	t.Helper()
	var b strings.Builder
	b.WriteString(top + "relays:\n")
	serial := 0
	for _, k := range kinds {
		for range k.n {
			serial++
			account, settings := "main", k.settings
			if rest, ok := strings.CutPrefix(settings, "other: "); ok {
				account, settings = "other", rest
			}
			fmt.Fprintf(&b, "  r%06d: {id: %032x, account: %s, tokens: {subscribe: {%s}}}\n", serial, serial, account, settings)
		}
	}
	cfg, err := config.Parse("config.yaml", []byte(b.String()), all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

type kind struct {
	n        int
	settings string
}

func TestAccountsAndSinksAreToldTheirCallsOfADay(t *testing.T) {
	const month, hour = 288, 24 // probes every five minutes; instants
	for name, c := range map[string]struct {
		kinds      []kind
		main       float64
		disk, safe float64
		aws        float64
	}{
		"overlap creates and revokes, and reads before that": {
			[]kind{{1, `schedule: "@daily", sinks: [disk, aws]`}}, 2,
			287 + 1 + 1 + 2, 0, 287*2 + 3 + 1 + 2,
		},
		"without verification nothing is read": {
			[]kind{{1, `schedule: "@daily", verify: false, sinks: [aws]`}}, 2, 0, 0, 287*2 + 3 + 1,
		},
		"an optional sink is not read before a revocation": {
			[]kind{{1, `schedule: "@daily", sinks: [disk, {sink: aws, required: false}]`}}, 2, 291, 0, 287*2 + 3 + 1 + 1,
		},
		"in_place rotates, and one slot of those at an instant proves that calls arrive": {
			[]kind{{10, `schedule: "@hourly", strategy: in_place, sinks: [aws]`}}, 10*hour + hour,
			0, 0, 10 * ((month-hour)*2 + hour*(3+1+1)),
		},
		"in_place proves it more often when jitter spreads the slots": {
			[]kind{{10, `schedule: "@daily", jitter: 4m, strategy: in_place, sinks: [disk]`}}, 10 + 5, 10 * (287 + 3), 0, 0,
		},
		"retire: matching lists before it creates": {
			[]kind{{1, `schedule: "@daily", retire: matching, sinks: [disk]`}}, 3, 291, 0, 0,
		},
		"what Vault's mount is, is asked for once a minute at most": {
			[]kind{{100, `schedule: "@daily", sinks: [safe]`}}, 200, 0, 100*(287*2+3+1+2) + 1440, 0,
		},
		"a slot that rotates more often than it is probed is not probed": {
			[]kind{{1, `schedule: "@every 1m", grace: 10s, sinks: [aws]`}}, 2880, 0, 0, 1440 * 6,
		},
		"a manual slot is renewed when a third of its token's life is left": {
			[]kind{{1, `schedule: manual, lifetime: 30d, sinks: [disk]`}}, 2. / 20, 287.95 + 4./20, 0, 0,
		},
		"a manual slot under in_place asks for nothing": {
			[]kind{{1, `schedule: manual, strategy: in_place, sinks: [disk]`}}, 0, month, 0, 0,
		},
		"a token that ages before the next instant is renewed in between": {
			[]kind{{1, `schedule: "@every 240h", lifetime: 14d, grace: 1h, sinks: [disk]`}}, 2 * 2. / 10, 288 - .2 + 4*.2, 0, 0,
		},
		"a rare schedule is counted by its gap": {
			[]kind{{1, `schedule: "0 0 1 1 *", strategy: in_place, sinks: [disk]`}}, 2. / 365, 288 + 2./365, 0, 0,
		},
		"hours of a working week are counted as the week has them": {
			[]kind{{1, `schedule: "0 9-16 * * 1-5", strategy: in_place, sinks: [disk]`}}, 2 * 40. / 7, 288 + 2*40./7, 0, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := Of(fleetOf(t, head, c.kinds...), now)
			about(t, "account main", r.Accounts[0].Calls, c.main+watchCalls)
			for i, want := range []float64{c.aws, c.disk, c.safe} {
				about(t, "sink "+r.Sinks[i].Name, r.Sinks[i].Calls, want)
			}
		})
	}
}

func about(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > want/100+1e-9 {
		t.Errorf("%s: %.3f calls a day, want about %.3f", what, got, want)
	}
}

// Of the default budget, 100 calls go at once and then one every 0.505 s; from the 595th on, a window must pass first.
func TestSlotsThatShareAnInstantAreToldWithTheTimeThatTheBudgetTakes(t *testing.T) {
	monday := time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	const weekly, daily, disk = `schedule: "0 4 * * 1", `, `schedule: "0 4 * * *", `, `sinks: [disk]`
	for name, c := range map[string]struct {
		kinds []kind
		want  Backlog
	}{
		"as many as go through within a minute": {
			[]kind{{200, weekly + disk}},
			Backlog{},
		},
		"more than that": {
			[]kind{{500, weekly + disk}},
			Backlog{monday, 500, 202 * time.Second},
		},
		"in_place": {
			[]kind{{500, weekly + `strategy: in_place, ` + disk}},
			Backlog{monday, 500, 202 * time.Second},
		},
		"each with a list before": {
			[]kind{{250, weekly + `retire: matching, ` + disk}},
			Backlog{monday, 250, 202 * time.Second},
		},
		"two schedules that share an instant": {
			[]kind{{200, weekly + disk}, {180, daily + disk}},
			Backlog{monday, 380, 141 * time.Second},
		},
		"two that share none": {
			[]kind{{200, weekly + disk}, {200, `schedule: "0 5 * * *", ` + disk}},
			Backlog{},
		},
		"two accounts with a budget each": {
			[]kind{{200, weekly + disk}, {200, "other: " + weekly + disk}},
			Backlog{},
		},
		"spread by jitter": {
			[]kind{{500, weekly + `jitter: 10m, ` + disk}},
			Backlog{},
		},
		"jitter that is too short": {
			[]kind{{500, weekly + `jitter: 30s, ` + disk}},
			Backlog{monday.Add(time.Second), 500, 202 * time.Second},
		},
		"each spread for itself": {graces(500, weekly+`jitter: 10m, `+disk), Backlog{}},
		"each with a grace of its own": {
			graces(500, weekly+disk),
			Backlog{monday, 500, 202 * time.Second},
		},
		"the same instant of two zones": {
			[]kind{{200, weekly + disk}, {200, `schedule: "0 5 * * 1", timezone: Europe/Berlin, ` + disk}},
			Backlog{monday, 400, 152 * time.Second},
		},
		"one hour of two zones is two instants": {
			[]kind{{200, weekly + disk}, {200, weekly + `timezone: Europe/Berlin, ` + disk}},
			Backlog{},
		},
		"@every counts from the first sight": {
			[]kind{{500, `schedule: "@every 36h", ` + disk}},
			Backlog{now.Add(36 * time.Hour), 500, 202 * time.Second},
		},
		"one after the other, faster than it can": {
			minutes(30, 150),
			Backlog{monday, 4500, 37*time.Minute + 2*time.Second},
		},
		"a grace that ends at others' instant": {
			[]kind{{500, weekly + `grace: 1h, ` + disk}, {30, `schedule: "0 5 * * 1", ` + disk}},
			Backlog{monday, 500, 202 * time.Second},
		},
		"few that come while many are revoked": {
			[]kind{
				{200, weekly + `grace: 1h, ` + disk},
				{120, `schedule: "1 5 * * 1", ` + disk},
				{160, `schedule: "0 5 * * 1", ` + disk},
			},
			Backlog{monday.Add(time.Hour), 280, 140 * time.Second},
		},
		"months and weeks meet": {
			[]kind{{150, `schedule: "0 4 1 * *", ` + disk}, {150, `schedule: "0 4 * * 2", ` + disk}},
			Backlog{time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC), 300, 101 * time.Second},
		},
		"slots without a schedule": {
			[]kind{{500, `schedule: manual, ` + disk}},
			Backlog{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := Of(fleetOf(t, head, c.kinds...), now)
			got := r.Budgets[0].Backlog
			if got.At.Sub(c.want.At).Abs() > time.Second || got.Slots != c.want.Slots || (got.Takes-c.want.Takes).Abs() > time.Second {
				t.Errorf("%d slots at %s take %s, want %d at %s, about %s",
					got.Slots, got.At, got.Takes, c.want.Slots, c.want.At, c.want.Takes)
			}
		})
	}
}

// graces are n kinds of a slot that differ by their grace alone.
func graces(n int, settings string) (kinds []kind) {
	for i := range n {
		kinds = append(kinds, kind{1, fmt.Sprintf("grace: %ds, %s", 3600+i, settings)})
	}
	return kinds
}

// minutes are n kinds of slots that are due one minute after the other.
func minutes(n, slots int) (kinds []kind) {
	for i := range n {
		kinds = append(kinds, kind{slots, fmt.Sprintf(`schedule: "%d 4 * * 1", sinks: [disk]`, i)})
	}
	return kinds
}

func TestAccountsOfOneAPITokenShareABudget(t *testing.T) {
	top := strings.Replace(head, "{env: OTHER}", "{env: MAIN}, rate_limit: {requests: 600}", 1)
	weekly := `schedule: "0 4 * * 1", sinks: [disk]`
	r := Of(fleetOf(t, top, kind{150, weekly}, kind{150, "other: " + weekly}), now)
	if len(r.Budgets) != 1 || fmt.Sprint(r.Budgets[0].Accounts) != "[main other]" {
		t.Fatalf("budgets %+v, want one of main and other", r.Budgets)
	}
	// The tighter of their limits counts: 300 requests in five minutes, of which four are kept for what is urgent.
	if b := r.Budgets[0]; b.Backlog.Slots != 300 || math.Round(b.PerDay/288) != 296 {
		t.Errorf("%d slots, %.0f calls a day; want 300, and 296 in five minutes", b.Backlog.Slots, b.PerDay)
	}
}

func TestABudgetThatTheSchedulesOverrunIsTold(t *testing.T) {
	r := Of(fleetOf(t, head, kind{200, `schedule: "@every 2m", grace: 30s, sinks: [disk]`}), now)
	if b := r.Budgets[0]; !b.IsTooSmall() || b.Backlog.Slots != 0 {
		t.Errorf("%.0f calls a day of %.0f, and a backlog of %d; want too many, and no backlog, since it never ends",
			b.Calls, b.PerDay, b.Backlog.Slots)
	}
	if b := r.Budgets[1]; b.IsTooSmall() {
		t.Error("an account without slots overruns its budget")
	}
}

func TestTheFullestRelayIsToldWithItsPlaces(t *testing.T) {
	text := head + `defaults: {account: main, sinks: [disk]}
relays:
  a: {id: 00000000000000000000000000000001, tokens: {subscribe: {}}}
  b: {id: 00000000000000000000000000000002, tokens: {subscribe: {}, publish_subscribe: {}}}
  c: {id: 00000000000000000000000000000003, tokens: {subscribe: {strategy: in_place}, publish_subscribe: {}}}
`
	cfg, err := config.Parse("config.yaml", []byte(text), all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Of(cfg, now).Fullest, (Relay{"b", config.Places{Usual: 4, Most: 6}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func BenchmarkOfAFleet(b *testing.B) {
	const slots = 100_000
	var own []kind
	for i := range slots {
		own = append(own, kind{1, fmt.Sprintf(`schedule: "%d %d * * %d", sinks: [disk]`, i%60, i/60%24, i/1440%7)})
	}
	for name, kinds := range map[string][]kind{
		"one schedule":               {{slots, `schedule: "0 4 * * 1", sinks: [disk]`}},
		"one schedule, with jitter":  {{slots, `schedule: "0 4 * * 1", jitter: 20h, sinks: [disk]`}},
		"a schedule for each minute": own,
	} {
		cfg := fleetOf(b, head, kinds...)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Of(cfg, now)
			}
		})
	}
}
