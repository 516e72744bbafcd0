package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// planOf is the plan of base's slot with its subscribe token written as token.
func planOf(t *testing.T, defaults, relay, token string) *slot.Plan {
	t.Helper()
	text := change(t, "{sinks: [disk]}", "{sinks: [disk]"+defaults+"}")
	text = strings.Replace(text, "    tokens:", relay+"    tokens:", 1)
	return parse(t, strings.Replace(text, "subscribe: {}", "subscribe: "+token, 1)).Plans()[0]
}

func TestWhatIsNotGivenHasItsDocumentedDefault(t *testing.T) {
	got := planOf(t, "", "", "{}")
	if fmt.Sprint(got.Schedule) != "0 4 * * 1" {
		t.Errorf("schedule is %v", got.Schedule)
	}
	got.Schedule = nil
	want := &slot.Plan{
		Policy: &slot.Policy{
			Account: "main", Strategy: moq.Overlap, Timezone: "UTC", Initial: slot.InitialNow, CatchUp: true,
			Grace: 24 * time.Hour, Settle: 10 * time.Second, Lifetime: 30 * day, LeastLife: 8 * day, Verify: true,
			ProbeInterval: 5 * time.Minute,
		},
		Key:   moq.Key{AccountID: testAccount, RelayID: testRelay, Type: moq.Subscribe},
		Relay: "live-main", Expr: "0 4 * * 1", Operations: []string{"subscribe"},
		Targets: []slot.Target{{
			Sink: "disk", Target: "/moq/live-main/subscribe", Location: "file:////moq/live-main/subscribe", Required: true,
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTheRestHasItsDocumentedDefaults(t *testing.T) {
	cfg := parse(t, base)
	if cfg.Instance != "default" || cfg.State != (State{Path: "/var/lib/rotatord"}) || !cfg.Metrics.PerSlot {
		t.Errorf("instance %q, state %+v, metrics %+v", cfg.Instance, cfg.State, cfg.Metrics)
	}
	server := Server{Listen: "127.0.0.1:9476", AdminSocket: "/run/rotatord/admin.sock", AdminSocketMode: "0600"}
	if cfg.Server != server || cfg.Log != (Log{Level: "info", Format: "json"}) {
		t.Errorf("server %+v, log %+v", cfg.Server, cfg.Log)
	}
	a := cfg.Accounts["main"]
	if a.APIURL != "https://api.cloudflare.com/client/v4" || a.RateLimit != (RateLimit{1200, 5 * time.Minute, 0.5}) {
		t.Errorf("account %+v", a)
	}
	if off := parse(t, base+"server: {listen: \"\"}\n"); off.Server.Listen != "" {
		t.Error("an empty listen does not turn the listener off")
	}
}

func TestSettleFollowsTheScheduleAndMakesRoomForTheGrace(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"schedule: '@daily'":                      10 * time.Second,
		"schedule: manual":                        10 * time.Second,
		"schedule: '@every 40s'":                  10 * time.Second,
		"schedule: '@every 20s'":                  5 * time.Second,
		"schedule: '@every 20s', grace: 18s":      time.Second,
		"schedule: '@every 20s', settle: 9s":      9 * time.Second,
		"schedule: '@every 20s', settle: 0s":      0,
		"schedule: '@daily', settle: 5m":          5 * time.Minute,
		"schedule: manual, settle: 1h, grace: 1h": time.Hour,
		"schedule: '@daily', strategy: in_place":  0,
	} {
		if got := planOf(t, "", "", "{"+text+"}").Settle; got != want {
			t.Errorf("%s: settle %s, want %s", text, got, want)
		}
	}
}

func TestGraceAndLifetimeFollowTheSchedule(t *testing.T) {
	for schedule, want := range map[string]struct{ grace, lifetime time.Duration }{
		"@every 1h": {30 * time.Minute, 30 * day},
		"@every 1s": {time.Second / 2, 30 * day},
		"@daily":    {12 * time.Hour, 30 * day},
		"0 4 * * 1": {24 * time.Hour, 30 * day}, // 4 × 7 days are less than 30
		"0 4 1 * *": {24 * time.Hour, 124 * day},
		"@yearly":   {24 * time.Hour, year},
		// four times that is more than a duration can be
		"@every 700000h": {24 * time.Hour, year},
		"manual":         {12 * time.Hour, year},
		" manual ":       {12 * time.Hour, year},
		"0 0 4 * * 1":    {24 * time.Hour, 30 * day},
	} {
		got := planOf(t, "", "", "{schedule: '"+schedule+"'}")
		if got.Grace != want.grace || got.Lifetime != want.lifetime {
			t.Errorf("%s: grace %s, lifetime %s; want %s and %s", schedule, got.Grace, got.Lifetime, want.grace, want.lifetime)
		}
		if (got.Schedule == nil) != (got.Expr == manual) {
			t.Errorf("%s: schedule is %v", schedule, got.Schedule)
		}
	}
}

func TestTheNearestSettingCounts(t *testing.T) {
	for name, test := range map[string]struct {
		defaults, relay, token string
		want                   time.Duration
	}{
		"defaults": {", jitter: 1m", "", "{}", time.Minute},
		"relay":    {", jitter: 1m", "    jitter: 2m\n", "{}", 2 * time.Minute},
		"token":    {", jitter: 1m", "    jitter: 2m\n", "{jitter: 3m}", 3 * time.Minute},
		"none":     {", jitter: 1m", "    jitter: 2m\n", "{jitter: 0s}", 0},
	} {
		if got := planOf(t, test.defaults, test.relay, test.token).Jitter; got != test.want {
			t.Errorf("%s: jitter %s, want %s", name, got, test.want)
		}
	}
}

func TestASettingMayBeTurnedOffNearer(t *testing.T) {
	s := planOf(t, ", verify: true, catch_up: true", "    retire: matching\n", "{verify: false, catch_up: false, retire: own, initial: schedule, timezone: Europe/Berlin}")
	if s.Verify || s.CatchUp || s.Matching || s.Initial != "schedule" || s.Timezone != "Europe/Berlin" {
		t.Errorf("%+v", s)
	}
}

func TestInPlaceIgnoresWhatItInherits(t *testing.T) {
	s := planOf(t, ", grace: 200d, lifetime: 3h", "    retire: matching\n", "{strategy: in_place, schedule: '@hourly'}")
	if s.Strategy != moq.InPlace || s.Grace != 0 || s.Lifetime != 0 || s.Initial != "schedule" || s.Matching {
		t.Errorf("%+v", s)
	}
}

func TestSinksOfATokenReplaceTheInherited(t *testing.T) {
	s := planOf(t, "", "    sinks: [disk]\n", "{sinks: [safe, {sink: disk, path: /else, required: false}]}")
	want := []slot.Target{
		{Sink: "safe", Target: "moq/live-main/subscribe", Location: "vault:///moq/live-main/subscribe", Required: true},
		{Sink: "disk", Target: "/else", Location: "file:////else"},
	}
	if !reflect.DeepEqual(s.Targets, want) {
		t.Errorf("got  %+v\nwant %+v", s.Targets, want)
	}
}

func TestSlotsAreSortedByRelayAndType(t *testing.T) {
	cfg := parse(t, base+`      publish_subscribe:
  a:
    id: b1b2c3d4e5f67890a1b2c3d4e5f67890
    tokens: {subscribe: }
`)
	var names []string
	for _, s := range cfg.Plans() {
		names = append(names, s.Slot())
	}
	want := []string{"a/subscribe", "live-main/publish_subscribe", "live-main/subscribe"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("slots %v, want %v", names, want)
	}
}

func TestATokensNameOrItsOwnOperationsSayWhatItMayDo(t *testing.T) {
	cfg := parse(t, base+`      publish_subscribe:
      publish:
      studio-a: {operations: [publish]}
      7-screens: {operations: [subscribe, publish:stats]}
`)
	var got []string
	for _, p := range cfg.Plans() {
		got = append(got, fmt.Sprint(p.Slot(), p.Operations, p.Targets[0].Target))
	}
	want := []string{
		"live-main/7-screens[subscribe publish:stats]/moq/live-main/7-screens", "live-main/publish[publish]/moq/live-main/publish",
		"live-main/publish_subscribe[publish subscribe]/moq/live-main/publish_subscribe",
		"live-main/studio-a[publish]/moq/live-main/studio-a", "live-main/subscribe[subscribe]/moq/live-main/subscribe",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestRelaysShareTemplatesThroughAnchors(t *testing.T) {
	cfg := parse(t, change(t, "live-main:", "live-main: &live")+`      publish_subscribe: &hourly {schedule: '@hourly', grace: 1m}
  second:
    <<: *live
    id: b1b2c3d4e5f67890a1b2c3d4e5f67890
    labels: {team: audio}
  third:
    <<: [{id: c1b2c3d4e5f67890a1b2c3d4e5f67890}, *live]
    tokens:
      subscribe: *hourly
      publish_subscribe: {<<: *hourly, grace: 2m}
`)
	graces := map[string]time.Duration{}
	for _, s := range cfg.Plans() {
		graces[s.Slot()] = s.Grace
	}
	want := map[string]time.Duration{
		"live-main/publish_subscribe": time.Minute, "live-main/subscribe": day,
		"second/publish_subscribe": time.Minute, "second/subscribe": day,
		"third/publish_subscribe": 2 * time.Minute, "third/subscribe": time.Minute,
	}
	if !reflect.DeepEqual(graces, want) {
		t.Errorf("got %v\nwant %v", graces, want)
	}
	if id := cfg.Relays["second"].ID; id != "b1b2c3d4e5f67890a1b2c3d4e5f67890" {
		t.Errorf("a merged key won over the relay's own: %s", id)
	}
}

func TestIdsThatLookLikeNumbersStayAsTheyAreWritten(t *testing.T) {
	for _, id := range []string{
		"01230000000000000000000000000e45", "00000000000000000000000000000000", "12345678901234567890123456789012",
		"0b101010101010101010101010101010", "1e999999999999999999999999999999",
	} {
		cfg := parse(t, change(t, testAccount, id))
		if got := cfg.Accounts["main"].AccountID; got != id {
			t.Errorf("account id %s became %s", id, got)
		}
	}
	if got := parse(t, base+"server: {admin_socket_mode: 0660}\n").Server.AdminSocketMode; got != "0660" {
		t.Errorf("mode 0660 became %s", got)
	}
	if got := planOf(t, "", "    labels: {on: true, n: 1.50}\n", "{}").Labels; got["on"] != "true" || got["n"] != "1.50" {
		t.Errorf("labels became %v", got)
	}
}

func TestWarningsDoNotRefuse(t *testing.T) {
	text := change(t, "subscribe: {}", "subscribe: {schedule: '@every 5m', jitter: 10m, retire: matching, sinks: [cloud]}")
	text = strings.Replace(text, "defaults:", "  cloud: {type: aws_secrets_manager, path: 'x/{{.Type}}'}\ndefaults:", 1)
	want := `config.yaml:12:19: relays.live-main.tokens.subscribe.schedule: its maker advises against that (take a rarer schedule)
config.yaml:12:42: relays.live-main.tokens.subscribe.jitter: jitter is not shorter than the schedule's shortest gap (5m): runs may be skipped
config.yaml:12:55: relays.live-main.tokens.subscribe.retire: retire: matching also revokes tokens that rotatord did not make (be sure that nobody else uses tokens of this relay)`
	if got := besideUnused(parse(t, text)).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := besideUnused(parse(t, base)); len(got) != 0 {
		t.Errorf("a plain configuration is warned of: %v", got)
	}
}

func TestAWarningIsOfWhatHasAnEffect(t *testing.T) {
	with := func(relay, token string) string {
		return change(t, "subscribe: {}", "subscribe: "+token) + relay
	}
	for name, c := range map[string]struct{ text, want string }{
		"matching, inherited":             {with("    retire: matching\n", "{}"), "relays.live-main.retire: retire: matching also"},
		"matching, inherited by in_place": {with("    retire: matching\n", "{strategy: in_place}"), ""},
		"matching, overridden":            {with("    retire: matching\n", "{retire: own}"), ""},
		"the machine's own time zone":     {with("    timezone: Local\n", "{}"), "relays.live-main.timezone: is what the machine"},
	} {
		if got := besideUnused(parse(t, c.text)).Error(); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: warned of %q, want %q", name, got, c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "30d": 30 * day, "2w": 14 * day, "1w2d3h": 9*day + 3*time.Hour,
		"0.5d": 12 * time.Hour, "0": 0, "0s": 0, "720h": 30 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is read as %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "d", "-1h", "1", "1x", "1h 2m", "1hh", "1d1", "999999999999w", "200000d200000d", "3000000h3000000h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		30 * day: "30d", day: "24h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", time.Second: "1s", 0: "0s", 100 * day: "100d",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%s is written as %s, want %s", d, got, want)
		}
	}
}

func TestWhatASinkOnlyWarnsOfLeavesItUsable(t *testing.T) {
	cfg := parse(t, change(t, `{type: vault, path: "moq/{{.Relay}}/{{.Type}}"}`, `{type: vault, path: "moq/{{.Relay}}/{{.Type}}", kv_version: 3}`)+"    sinks: [safe]\n")
	if got, want := besideUnused(cfg).Error(), "config.yaml:5:57: sinks.safe.kv_version: is a version nobody knows (1 or 2)"; got != want {
		t.Errorf("warnings are\n%s\nwant\n%s", got, want)
	}
	if s := cfg.Plans()[0]; len(s.Targets) != 1 || s.Targets[0].Sink != "safe" {
		t.Errorf("targets = %+v", s.Targets)
	}
}

func TestDefaultSinksThatAreWrongAreToldOnceAndNotForEachSlot(t *testing.T) {
	text := "defaults: {sinks: disk}\nrelays: {one: {tokens: {subscribe: {}}}, two: {tokens: {subscribe: {}}}}\n"
	_, err := Parse("config.yaml", []byte(text), fakeSpecs())
	if err == nil || !strings.Contains(err.Error(), "defaults.sinks: ") || strings.Contains(err.Error(), "no sink") {
		t.Error(err)
	}
}
