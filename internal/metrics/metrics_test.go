package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// contract is the documented table: every metric, its type and its labels.
var contract = []struct {
	name   string
	typ    dto.MetricType
	labels string
}{
	{"rotations_total", dto.MetricType_COUNTER, "relay result strategy type"},
	{"rotation_failures_total", dto.MetricType_COUNTER, "account reason step"},
	{"consecutive_failures", dto.MetricType_GAUGE, "relay type"},
	{"rotation_duration_seconds", dto.MetricType_HISTOGRAM, "strategy"},
	{"blackout_seconds", dto.MetricType_HISTOGRAM, ""},
	{"blackout_start_timestamp_seconds", dto.MetricType_GAUGE, "relay type"},
	{"schedule_lag_seconds", dto.MetricType_HISTOGRAM, ""},
	{"last_rotation_timestamp_seconds", dto.MetricType_GAUGE, "relay type"},
	{"next_rotation_timestamp_seconds", dto.MetricType_GAUGE, "relay type"},
	{"next_attempt_timestamp_seconds", dto.MetricType_GAUGE, "relay type"},
	{"token_created_timestamp_seconds", dto.MetricType_GAUGE, "relay type"},
	{"token_expiry_timestamp_seconds", dto.MetricType_GAUGE, "relay type"},
	{"slot_state", dto.MetricType_GAUGE, "relay state type"},
	{"slot_info", dto.MetricType_GAUGE, "account label_cost_center label_team relay relay_id strategy type"},
	{"pending_deliveries", dto.MetricType_GAUGE, "sink"},
	{"oldest_pending_delivery_timestamp_seconds", dto.MetricType_GAUGE, "sink"},
	{"pending_retirements", dto.MetricType_GAUGE, "account"},
	{"foreign_instance_tokens", dto.MetricType_GAUGE, "account"},
	{"oldest_pending_retirement_timestamp_seconds", dto.MetricType_GAUGE, "account"},
	{"sink_deliveries_total", dto.MetricType_COUNTER, "result sink sink_type"},
	{"sink_delivery_duration_seconds", dto.MetricType_HISTOGRAM, "sink"},
	{"sink_up", dto.MetricType_GAUGE, "sink"},
	{"sink_last_probe_timestamp_seconds", dto.MetricType_GAUGE, "sink"},
	{"sink_drift_total", dto.MetricType_COUNTER, "sink"},
	{"token_claim_mismatches_total", dto.MetricType_COUNTER, "account"},
	{"cloudflare_requests_total", dto.MetricType_COUNTER, "account code operation"},
	{"cloudflare_request_duration_seconds", dto.MetricType_HISTOGRAM, "account operation"},
	{"cloudflare_ratelimit_limit", dto.MetricType_GAUGE, "account"},
	{"cloudflare_ratelimit_remaining", dto.MetricType_GAUGE, "account"},
	{"budget_waiting", dto.MetricType_GAUGE, "account"},
	{"slots", dto.MetricType_GAUGE, "account state"},
	{"slots_overdue", dto.MetricType_GAUGE, "account"},
	{"earliest_token_expiry_timestamp_seconds", dto.MetricType_GAUGE, "account"},
	{"oldest_blackout_start_timestamp_seconds", dto.MetricType_GAUGE, "account"},
	{"targets", dto.MetricType_GAUGE, "required sink state"},
	{"slot_unhealthy_targets", dto.MetricType_GAUGE, "relay type"},
	{"journal_size_bytes", dto.MetricType_GAUGE, ""},
	{"state_free_bytes", dto.MetricType_GAUGE, ""},
	{"account_up", dto.MetricType_GAUGE, "account"},
	{"account_blocked_until_timestamp_seconds", dto.MetricType_GAUGE, "account"},
	{"account_token_expiry_timestamp_seconds", dto.MetricType_GAUGE, "account"},
	{"clock_offset_seconds", dto.MetricType_GAUGE, "account"},
	{"clock_steps_total", dto.MetricType_COUNTER, ""},
	{"http_auth_failures_total", dto.MetricType_COUNTER, ""},
	{"journal_errors_total", dto.MetricType_COUNTER, ""},
	{"log_lines_dropped_total", dto.MetricType_COUNTER, ""},
	{"journal_write_duration_seconds", dto.MetricType_HISTOGRAM, ""},
	{"config_last_reload_successful", dto.MetricType_GAUGE, ""},
	{"config_last_reload_success_timestamp_seconds", dto.MetricType_GAUGE, ""},
	{"leader", dto.MetricType_GAUGE, ""},
	{"leader_since_timestamp_seconds", dto.MetricType_GAUGE, ""},
	{"replica_config_info", dto.MetricType_GAUGE, "digest replica"},
	{"standby_behind_seconds", dto.MetricType_GAUGE, ""},
	{"build_info", dto.MetricType_GAUGE, "goversion revision version"},
}

func TestEveryMetricOfTheContractIsThereAndNoOther(t *testing.T) {
	m := newMetrics(t, true)
	exercise(m)
	got := gather(t, m)
	for _, want := range contract {
		f := got[namespace+"_"+want.name]
		if f == nil {
			t.Errorf("%s is missing", want.name)
			continue
		}
		checkFamily(t, f, want.typ, want.labels)
		delete(got, f.GetName())
	}
	for name := range got {
		if strings.HasPrefix(name, namespace) {
			t.Errorf("%s is not in the contract", name)
		}
	}
}

func checkFamily(t *testing.T, f *dto.MetricFamily, typ dto.MetricType, labels string) {
	t.Helper()
	if f.GetType() != typ || f.GetHelp() == "" {
		t.Errorf("%s: type %v, want %v; help %q", f.GetName(), f.GetType(), typ, f.GetHelp())
	}
	for _, m := range f.GetMetric() {
		var names []string
		for _, l := range m.GetLabel() {
			names = append(names, l.GetName())
		}
		if got := strings.Join(names, " "); got != labels {
			t.Errorf("%s: labels %q, want %q", f.GetName(), got, labels)
		}
		if h := m.GetHistogram(); h != nil && (len(h.GetBucket()) == 0 || h.Schema == nil) {
			t.Errorf("%s: want classic and native buckets", f.GetName())
		}
	}
}

func TestGoAndProcessCollectorsAreThere(t *testing.T) {
	got := gather(t, newMetrics(t, true))
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if got[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestSlotGauges(t *testing.T) {
	got := gather(t, newMetrics(t, true))
	at := func(d time.Duration) float64 { return seconds(now.Add(d)) }
	for name, want := range map[string]map[string]float64{
		"consecutive_failures":                        {"relay=live type=subscribe": 3, "relay=edge type=publish_subscribe": 0},
		"blackout_start_timestamp_seconds":            {"relay=live type=subscribe": at(-2 * time.Minute)},
		"last_rotation_timestamp_seconds":             {"relay=live type=subscribe": at(-time.Hour)},
		"next_rotation_timestamp_seconds":             {"relay=live type=subscribe": at(-time.Minute)}, // edge is manual
		"next_attempt_timestamp_seconds":              {"relay=live type=subscribe": at(time.Minute)},
		"token_created_timestamp_seconds":             {"relay=live type=subscribe": at(-time.Hour)},
		"token_expiry_timestamp_seconds":              {"relay=live type=subscribe": at(time.Hour)},
		"pending_deliveries":                          {"sink=disk": 1, "sink=vault": 0},
		"oldest_pending_delivery_timestamp_seconds":   {"sink=disk": at(-3 * time.Minute)},
		"pending_retirements":                         {"account=main": 2},
		"oldest_pending_retirement_timestamp_seconds": {"account=main": at(-time.Hour)},
		"slot_info": {
			"account=main label_cost_center=7 label_team=video relay=live relay_id=" + strings.Repeat("a", 32) +
				" strategy=overlap type=subscribe": 1,
			"account=main label_cost_center= label_team= relay=edge relay_id= strategy=in_place type=publish_subscribe": 1,
		},
	} {
		if s := series(got[namespace+"_"+name]); !maps.Equal(s, want) {
			t.Errorf("%s:\n got %v\nwant %v", name, s, want)
		}
	}
}

func TestExactlyOneStateOfASlotIsOne(t *testing.T) {
	for s, v := range series(gather(t, newMetrics(t, true))["rotatord_slot_state"]) {
		want := truth(strings.Contains(s, "relay=live state=failing") || strings.Contains(s, "relay=edge state=idle"))
		if v != want {
			t.Errorf("%s is %v, want %v", s, v, want)
		}
	}
}

func TestObservationsAreCounted(t *testing.T) {
	m := newMetrics(t, true)
	p := &slot.Plan{Relay: "live", Key: moq.Key{Type: moq.Subscribe}}
	m.RotationCounted(p, moq.Overlap, slot.ResultSuccess, time.Second)
	m.RotationCounted(p, moq.Overlap, slot.ResultFailure, time.Second)
	m.AttemptFailed("main", slot.StageDeliver, "timeout")
	m.AttemptFailed("main", slot.StageDeliver, "whatever the upstream said")
	m.LagMeasured(-time.Second)
	m.BlackoutEnded(time.Second)
	m.Drifted("disk")
	m.ClaimsContradicted("main")
	m.Delivered("disk", "file", true, time.Second)
	m.Delivered("disk", "file", false, time.Second)
	m.Request("main", "create", "500", time.Second)
	m.JournalWrite(time.Millisecond, nil)
	m.JournalWrite(time.Millisecond, errors.New("disk full"))
	m.Reloaded(true, now)
	m.Reloaded(false, now.Add(time.Hour))
	m.Leader(now)
	m.ReplicaConfig("moq1:9476", "0123")
	m.Contacted("disk", false, now)

	got := gather(t, m)
	for _, want := range []struct {
		name, labels string
		value        float64
	}{
		{"rotations_total", "relay=live result=success strategy=overlap type=subscribe", 1},
		{"rotations_total", "relay=live result=failure strategy=overlap type=subscribe", 1},
		{"rotation_duration_seconds", "strategy=overlap", 1},
		{"rotation_failures_total", "account=main reason=timeout step=deliver", 1},
		{"rotation_failures_total", "account=main reason=internal step=deliver", 1},
		{"schedule_lag_seconds", "", 1},
		{"blackout_seconds", "", 1},
		{"sink_drift_total", "sink=disk", 1},
		{"token_claim_mismatches_total", "account=main", 1},
		{"sink_deliveries_total", "result=success sink=disk sink_type=file", 1},
		{"sink_deliveries_total", "result=failure sink=disk sink_type=file", 1},
		{"sink_delivery_duration_seconds", "sink=disk", 2},
		{"sink_up", "sink=disk", 0},
		{"sink_last_probe_timestamp_seconds", "sink=disk", seconds(now)},
		{"cloudflare_requests_total", "account=main code=500 operation=create", 1},
		{"cloudflare_request_duration_seconds", "account=main operation=create", 1},
		{"journal_errors_total", "", 1},
		{"journal_write_duration_seconds", "", 2},
		{"config_last_reload_successful", "", 0},
		{"config_last_reload_success_timestamp_seconds", "", seconds(now)},
		{"leader", "", 1},
		{"leader_since_timestamp_seconds", "", seconds(now)},
		{"replica_config_info", "digest=0123 replica=moq1:9476", 1},
	} {
		if v, ok := series(got[namespace+"_"+want.name])[want.labels]; !ok || v != want.value {
			t.Errorf("%s{%s} = %v (there: %v), want %v", want.name, want.labels, v, ok, want.value)
		}
	}
}

func TestAStandbyLeadsSinceNoTime(t *testing.T) {
	m := newMetrics(t, true)
	m.Leader(now)
	m.Leader(time.Time{})
	got := gather(t, m)
	if v := series(got[namespace+"_leader"])[""]; v != 0 {
		t.Errorf("leader is %v", v)
	}
	if f := got[namespace+"_leader_since_timestamp_seconds"]; f != nil {
		t.Errorf("it leads since %v", f)
	}
}

func TestWhoIsNoStandbyIsNotBehind(t *testing.T) {
	m := newMetrics(t, true)
	m.WatchStandby(func() time.Duration { return -1 })
	if f := gather(t, m)[namespace+"_standby_behind_seconds"]; f != nil {
		t.Errorf("it is behind: %v", f)
	}
}

func TestCountersExistAtZeroFromTheStart(t *testing.T) {
	got := gather(t, newMetrics(t, true))
	for name, count := range map[string]int{
		"rotations_total":           2 * 3,
		"rotation_failures_total":   len(slot.Stages()) * len(fault.Reasons()),
		"sink_deliveries_total":     2 * 2,
		"sink_drift_total":          2,
		"cloudflare_requests_total": 6 * 3,
		"clock_steps_total":         1,
		"http_auth_failures_total":  1,
		"journal_errors_total":      1,
		"log_lines_dropped_total":   1,
	} {
		s := series(got[namespace+"_"+name])
		if len(s) != count {
			t.Errorf("%s has %d series, want %d: %v", name, len(s), count, s)
		}
		for labels, v := range s {
			if v != 0 {
				t.Errorf("%s{%s} = %v, want 0", name, labels, v)
			}
		}
	}
}

func TestABlockedAccountIsAbsentAgainWhenItIsNotBlocked(t *testing.T) {
	m := newMetrics(t, true)
	m.Blocked("main", now)
	m.Blocked("main", time.Time{})
	if f := gather(t, m)["rotatord_account_blocked_until_timestamp_seconds"]; f != nil {
		t.Errorf("still there: %v", f)
	}
}

func TestTheEndOfAnAPITokenIsAbsentWhereThereIsNone(t *testing.T) {
	m := newMetrics(t, true)
	m.APITokenExpires("main", now)
	m.APITokenExpires("main", time.Time{})
	if f := gather(t, m)["rotatord_account_token_expiry_timestamp_seconds"]; f != nil {
		t.Errorf("still there: %v", f)
	}
}

func TestReconfiguringKeepsWhatStaysAndForgetsWhatIsGone(t *testing.T) {
	m := newMetrics(t, true)
	exercise(m)
	m.Delivered("disk", "file", true, time.Second)
	m.RotationCounted(&slot.Plan{Relay: "live", Key: moq.Key{Type: moq.Subscribe}}, moq.Overlap, slot.ResultSuccess, 0)
	m.Watch(fleet{})
	m.Configure(refs()[:1], []SinkRef{{"disk", "file", time.Minute}, {"vault", "aws_secrets_manager", time.Minute}}, []string{"other"})

	var all []string
	for name, f := range gather(t, m) {
		for s := range series(f) {
			all = append(all, " "+name+" "+s+" ")
		}
	}
	for _, gone := range []string{" relay=edge ", " sink_type=vault ", " account=main "} {
		if i := slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, gone) }); i >= 0 {
			t.Errorf("still there: %s", all[i])
		}
	}
	got := gather(t, m)
	if v := series(got["rotatord_sink_deliveries_total"])["result=success sink=disk sink_type=file"]; v != 1 {
		t.Errorf("disk's deliveries are %v, want 1 kept", v)
	}
	if v := series(got["rotatord_rotations_total"])["relay=live result=success strategy=overlap type=subscribe"]; v != 1 {
		t.Errorf("live's rotations are %v, want 1 kept", v)
	}
	if len(series(got["rotatord_sink_up"])) != 1 {
		t.Error("disk's probe was forgotten")
	}
}

func TestASlotsCountOutlivesItsStrategyButNotTheSlot(t *testing.T) {
	m := newMetrics(t, true)
	count := func() map[string]float64 { return series(gather(t, m)["rotatord_rotations_total"]) }
	former, present := "relay=live result=success strategy=overlap type=subscribe", "relay=live result=success strategy=in_place type=subscribe"
	m.RotationCounted(&slot.Plan{Relay: "live", Key: moq.Key{Type: moq.Subscribe}}, moq.Overlap, slot.ResultSuccess, 0)
	m.Configure([]SlotRef{{"new", moq.Subscribe, "main", moq.Overlap}, {"live", moq.Subscribe, "main", moq.InPlace}}, sinkRefs(), []string{"main"})
	got := count()
	if v, ok := got[present]; !ok || v != 0 || got[former] != 1 || len(got) != 3*3 {
		t.Errorf("after its strategy changed: %v", got)
	}
	m.Configure(refs()[1:], sinkRefs(), []string{"main"})
	if got := count(); len(got) != 3 {
		t.Errorf("after the slot was removed: %v", got)
	}
}

func TestCountsAreListedInOrder(t *testing.T) {
	m := newMetrics(t, true)
	for _, relay := range []string{"zulu", "alpha", "live"} { // not all are configured
		m.RotationCounted(&slot.Plan{Relay: relay, Key: moq.Key{Type: moq.Subscribe}}, moq.InPlace, slot.ResultFailure, 0)
	}
	var relays []string
	for _, c := range gather(t, m)["rotatord_rotations_total"].GetMetric() {
		relays = append(relays, c.GetLabel()[0].GetValue())
	}
	if len(relays) != 5*3 || !slices.IsSorted(relays) {
		t.Errorf("got %v", relays)
	}
}

// A fleet has a count or two for each slot.
func TestACountTakesNoMoreMemoryThanItDid(t *testing.T) {
	if size := unsafe.Sizeof(count{}); size > 40 {
		t.Errorf("a count takes %d bytes, want at most 40", size)
	}
}

func TestASlotHasAtMostTwentyTwoSeries(t *testing.T) {
	m := newMetrics(t, true)
	p := &slot.Plan{Relay: "live", Key: moq.Key{Type: moq.Subscribe}}
	m.RotationCounted(p, moq.InPlace, slot.ResultSuccess, 0) // its strategy was changed meanwhile
	n := 0
	for _, f := range gather(t, m) {
		for s := range series(f) {
			if strings.Contains(s, "relay=live") {
				n++
			}
		}
	}
	if n == 0 || n > 22 {
		t.Errorf("%d series of one slot, want 1 to 22", n)
	}
}

func TestWithoutPerSlotNoSeriesNamesASlot(t *testing.T) {
	m := newMetrics(t, false)
	for _, r := range []string{"live", "edge"} {
		m.RotationCounted(&slot.Plan{Relay: r, Key: moq.Key{Type: moq.Subscribe}}, moq.Overlap, slot.ResultSuccess, 0)
	}
	got := gather(t, m)
	for name, f := range got {
		for s := range series(f) {
			if strings.Contains(s, "relay=live") || strings.Contains(s, "relay=edge") {
				t.Errorf("%s{%s}", name, s)
			}
		}
	}
	if v := series(got["rotatord_rotations_total"])["relay= result=success strategy=overlap type="]; v != 2 {
		t.Errorf("rotations of all slots are %v, want 2", v)
	}
	if v := series(got["rotatord_pending_deliveries"])["sink=disk"]; v != 1 {
		t.Errorf("pending deliveries are %v, want 1", v)
	}
}

func TestTheSumOfAllSlotsDoesNotGoDownWhenOneIsRemoved(t *testing.T) {
	m := newMetrics(t, false)
	ref := func(relay string) SlotRef { return SlotRef{Relay: relay, Type: moq.Subscribe, Strategy: moq.Overlap} }
	m.Configure([]SlotRef{ref("live"), ref("edge")}, nil, nil)
	for _, r := range []string{"live", "edge"} {
		m.RotationCounted(&slot.Plan{Relay: r, Key: moq.Key{Type: moq.Subscribe}}, moq.Overlap, slot.ResultSuccess, 0)
	}
	m.Configure([]SlotRef{ref("live")}, nil, nil)
	if v := series(gather(t, m)["rotatord_rotations_total"])["relay= result=success strategy=overlap type="]; v != 2 {
		t.Errorf("rotations of all slots are %v, want 2", v)
	}
}

func TestLabelsThatComeToOneNameStayUnique(t *testing.T) {
	m := newMetrics(t, true)
	s := quiet()
	s.Labels = map[string]string{"a-b": "2", "a.b": "1", "c": "3"}
	m.Watch(fleet{s})
	for labels := range series(gather(t, m)["rotatord_slot_info"]) {
		if strings.Count(labels, "label_a_b=") != 1 || !strings.Contains(labels, "label_a_b=1 label_c=3") {
			t.Error(labels)
		}
	}
}

func TestASecondScrapeShowsNothingOfTheFirst(t *testing.T) {
	ours := func(text string) (lines []string) {
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, namespace) {
				lines = append(lines, l)
			}
		}
		return lines
	}
	m, fresh := newMetrics(t, true), newMetrics(t, true)
	scrape(t, m, "")
	m.Watch(fleet{quiet()})
	fresh.Watch(fleet{quiet()})
	if got, want := ours(scrape(t, m, "")), ours(scrape(t, fresh, "")); !slices.Equal(got, want) {
		t.Errorf("the second scrape has %d series, a first one %d:\n%v", len(got), len(want), got)
	}
}

func TestScrapeSpeaksEveryFormat(t *testing.T) {
	m := newMetrics(t, true)
	exercise(m)
	for accept, want := range map[string]string{
		"": `rotatord_consecutive_failures{relay="live",type="subscribe"} 3`,
		"application/openmetrics-text;version=1.0.0":                                                 "# EOF",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": "rotatord_slot_info",
	} {
		if body := scrape(t, m, accept); !strings.Contains(body, want) {
			t.Errorf("Accept %q: no %q", accept, want)
		}
	}
}

func TestPromlintHasNothingToSay(t *testing.T) {
	m := newMetrics(t, true)
	exercise(m)
	problems, err := testutil.GatherAndLint(gatherer{m})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTheDocumentationListsEverything(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, c := range contract {
		want = append(want, "`rotatord_"+c.name+"`")
	}
	for _, r := range fault.Reasons() {
		want = append(want, "| `"+string(r)+"` |")
	}
	for _, s := range slot.Stages() {
		want = append(want, "`"+string(s)+"`")
	}
	for _, w := range want {
		if !strings.Contains(string(text), w) {
			t.Errorf("docs/metrics.md does not mention %s", w)
		}
	}
}

func TestScrapesAndObservationsMayOverlap(t *testing.T) {
	m := newMetrics(t, true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			m.RotationCounted(&slot.Plan{Relay: fmt.Sprint("r", i%50)}, moq.Overlap, slot.ResultSuccess, 0)
			m.Configure(refs()[:i%2], sinkRefs()[:i%2], nil)
		}
	}()
	for range 20 {
		scrape(t, m, "")
	}
	cancel()
	<-done
}
