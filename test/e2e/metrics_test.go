package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	app "github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// contractMetrics are the names of the contract's table. Every one of them is
// moved to a predicted value by a scenario below.
var contractMetrics = []string{
	"rotations_total", "rotation_failures_total", "consecutive_failures", "rotation_duration_seconds",
	"blackout_seconds", "blackout_start_timestamp_seconds", "schedule_lag_seconds", "last_rotation_timestamp_seconds",
	"next_rotation_timestamp_seconds", "next_attempt_timestamp_seconds", "token_created_timestamp_seconds",
	"token_expiry_timestamp_seconds", "slot_state", "slot_info", "pending_deliveries",
	"oldest_pending_delivery_timestamp_seconds", "pending_retirements", "oldest_pending_retirement_timestamp_seconds",
	"sink_deliveries_total", "sink_delivery_duration_seconds", "sink_up", "sink_last_probe_timestamp_seconds",
	"sink_drift_total", "token_claim_mismatches_total", "cloudflare_requests_total", "cloudflare_request_duration_seconds",
	"cloudflare_ratelimit_remaining", "account_up", "account_blocked_until_timestamp_seconds",
	"account_token_expiry_timestamp_seconds", "clock_offset_seconds", "clock_steps_total",
	"journal_errors_total", "log_lines_dropped_total", "journal_write_duration_seconds", "config_last_reload_successful",
	"config_last_reload_success_timestamp_seconds", "leader", "build_info",
	"targets", "slot_unhealthy_targets", "slots", "slots_overdue", "earliest_token_expiry_timestamp_seconds",
	"oldest_blackout_start_timestamp_seconds", "budget_waiting", "cloudflare_ratelimit_limit", "journal_size_bytes",
	"state_free_bytes",
}

// ledger remembers which metrics scenarios have predicted.
type ledger struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (l *ledger) note(want expectations) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for selector := range want {
		name := strings.Fields(selector)[0]
		for _, suffix := range []string{"_count", "_sum", ""} {
			if n := strings.TrimSuffix(name, suffix); slices.Contains(contractMetrics, n) {
				l.seen[n] = true
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	l := &ledger{seen: map[string]bool{}}
	t.Run("scenarios", func(t *testing.T) {
		for name, scenario := range map[string]func(*testing.T, *ledger){
			"nothing has happened yet": nothingYet, "overlap": overlapMetrics, "a schedule": scheduleMetrics,
			"a blackout": blackoutMetrics, "claims": claimsMetrics, "a superseded rotation": supersededMetrics, "drift": driftMetrics,
			"retirements that fail": retirementMetrics, "trouble with Cloudflare": cloudflareMetrics,
			"reloads": reloadMetrics, "a full disk": journalMetrics, "no series by relay": perSlotMetrics,
		} {
			t.Run(name, func(t *testing.T) { t.Parallel(); scenario(t, l) })
		}
	})
	for _, name := range contractMetrics {
		if !l.seen[name] {
			t.Errorf("no scenario predicts %s", name)
		}
	}
}

// watched is a daemon whose predicted metrics are noted.
type watched struct {
	*daemon
	ledger *ledger
}

func (w watched) predict(want expectations) {
	w.t.Helper()
	w.ledger.note(want)
	w.daemon.predict(want)
}

func (w *world) watch(l *ledger) watched {
	w.t.Helper()
	return watched{w.start(), l}
}

const liveSlot = " relay=live type=subscribe"

func nothingYet(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	began := time.Now()
	w.configure(settings{Defaults: `{schedule: "0 4 29 2 *", initial: schedule, sinks: [disk]}`})
	d := w.watch(l)
	zero := expectations{
		"clock_steps_total": is(0), "journal_errors_total": is(0), "log_lines_dropped_total": is(0), "sink_drift_total sink=disk": is(0), "blackout_seconds_count": is(0),
		"schedule_lag_seconds_count": is(0), "rotation_duration_seconds_count strategy=overlap": is(0),
		"sink_delivery_duration_seconds_count sink=disk": is(0), "consecutive_failures" + liveSlot: is(0),
		"pending_deliveries sink=disk": is(0), "pending_retirements account=main": is(0),
		"slot_unhealthy_targets" + liveSlot: is(0), "slots account=main state=failing": is(0), "slots_overdue account=main": is(0),
		"budget_waiting account=main": is(0),
	}
	for _, result := range []string{"success", "failure", "superseded"} {
		zero["rotations_total strategy=overlap result="+result+liveSlot] = is(0)
	}
	for _, result := range []string{"success", "failure"} {
		zero["sink_deliveries_total sink=disk sink_type=file result="+result] = is(0)
	}
	for _, step := range slot.Stages() {
		for _, reason := range fault.Reasons() {
			zero[fmt.Sprintf("rotation_failures_total account=main step=%s reason=%s", step, reason)] = is(0)
		}
	}
	for op, code := range map[string]string{"create": "201", "revoke": "200", "rotate": "200", "relay": "200"} {
		zero["cloudflare_request_duration_seconds_count account=main operation="+op] = is(0)
		for _, code := range []string{code, "429", "error"} {
			zero["cloudflare_requests_total account=main operation="+op+" code="+code] = is(0)
		}
	}
	d.predict(zero)
	d.predict(expectations{
		"config_last_reload_successful": is(1), "config_last_reload_success_timestamp_seconds": since(began),
		"leader": is(1), "build_info": is(1), "slot_state state=idle" + liveSlot: is(1),
		"slot_info label_team=video account=main strategy=overlap relay_id=" + harness.RelayID(0) + liveSlot: is(1),
		"sink_up sink=disk": is(1), "sink_last_probe_timestamp_seconds sink=disk": since(began),
		"next_rotation_timestamp_seconds" + liveSlot: unix(nextLeapDay(began)),
		// Each account is asked for the time, and how its API token stands.
		"account_up account=main": is(1), "clock_offset_seconds account=main": between(-10, 10),
		"cloudflare_requests_total account=main operation=list code=200":   atLeast(2),
		"cloudflare_requests_total account=main operation=verify code=200": is(1),
		"slots account=main state=idle":                                    is(1), "targets sink=disk required=true state=pending": is(1),
		"journal_size_bytes": atLeast(4096), "state_free_bytes": atLeast(1),
	})
	d.predict(expectations{
		"blackout_start_timestamp_seconds": absent(), "last_rotation_timestamp_seconds": absent(), "next_attempt_timestamp_seconds": absent(),
		"token_created_timestamp_seconds": absent(), "token_expiry_timestamp_seconds": absent(),
		"oldest_pending_delivery_timestamp_seconds": absent(), "oldest_pending_retirement_timestamp_seconds": absent(),
		"account_token_expiry_timestamp_seconds": absent(), "account_blocked_until_timestamp_seconds": absent(), "cloudflare_ratelimit_remaining": absent(),
		"earliest_token_expiry_timestamp_seconds": absent(), "oldest_blackout_start_timestamp_seconds": absent(), "cloudflare_ratelimit_limit": absent(),
	})
}

func TestTheDaemonRunsMoreThreadsThanASmallMachineHasProcessors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	s, err := w.start().scrape()
	if err != nil {
		t.Fatal(err)
	}
	m := s["go_sched_gomaxprocs_threads"].GetMetric()
	if len(m) != 1 || number(m[0], "") < app.LeastThreads {
		t.Errorf("goroutines at a time: %v", m)
	}
}

func nextLeapDay(now time.Time) time.Time {
	for y := now.Year(); ; y++ {
		if d := time.Date(y, 2, 29, 4, 0, 0, 0, time.UTC); d.Month() == 2 && d.After(now) {
			return d
		}
	}
}

func overlapMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	w.sim.SetQuota(harness.APIToken, 1000, time.Hour)
	w.configure(settings{})
	d := w.watch(l)
	began := time.Now()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.rotatord("rotate", "live").Expect(t, 0)
	tokens := d.sim.Tokens(harness.RelayID(0))
	latest := tokens[len(tokens)-1]
	d.predict(expectations{
		"rotations_total strategy=overlap result=success" + liveSlot: is(2), "rotation_duration_seconds_count strategy=overlap": is(2),
		"rotation_duration_seconds_sum strategy=overlap":                between(0.000001, time.Since(began).Seconds()),
		"last_rotation_timestamp_seconds" + liveSlot:                    since(began),
		"token_created_timestamp_seconds" + liveSlot:                    unix(latest.Created),
		"token_expiry_timestamp_seconds" + liveSlot:                     unix(latest.Expires),
		"next_rotation_timestamp_seconds" + liveSlot:                    absent(), // manual
		"slot_state state=grace" + liveSlot:                             is(1),
		"sink_deliveries_total sink=disk sink_type=file result=success": is(2), "sink_delivery_duration_seconds_count sink=disk": is(2),
		"cloudflare_requests_total account=main operation=create code=201":        is(2),
		"cloudflare_request_duration_seconds_count account=main operation=create": is(2),
		"cloudflare_requests_total account=main operation=revoke code=200":        is(0),
		"cloudflare_ratelimit_remaining account=main":                             between(900, 998), // the time is asked for, too
		"cloudflare_ratelimit_limit account=main":                                 is(1000),
		"earliest_token_expiry_timestamp_seconds account=main":                    unix(latest.Expires),
		"targets sink=disk required=true state=ok":                                is(1),
		"account_up account=main":                                                 is(1),
		"schedule_lag_seconds_count":                                              is(0), // nothing was scheduled
		"journal_write_duration_seconds_count":                                    atLeast(4),
		"pending_retirements account=main":                                        is(0), // its grace lasts
	})
	d.rotatord("rotate", "--compromised", "--timeout", "5s", "live").Expect(t, 1)
	d.predict(expectations{
		"cloudflare_requests_total account=main operation=revoke code=200": is(2),
		"slot_state state=idle" + liveSlot:                                 is(1),
	})
	d.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.Slow, Delay: 5 * time.Second})
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.predict(expectations{"slot_state state=minting" + liveSlot: is(1)})
}

func scheduleMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	w.configure(settings{Defaults: `{schedule: "@every 1s", initial: schedule, grace: 300ms, sinks: [disk]}`})
	d := w.watch(l)
	d.predict(expectations{
		"schedule_lag_seconds_count": atLeast(2), "rotations_total strategy=overlap result=success" + liveSlot: atLeast(2),
		"next_rotation_timestamp_seconds" + liveSlot: between(float64(time.Now().Unix()), float64(time.Now().Add(patience).Unix())),
	})
	d.sim.RemoveAPIToken(harness.APIToken)
	d.predict(expectations{"consecutive_failures" + liveSlot: atLeast(2)})
	s, err := d.scrape()
	if err != nil {
		t.Fatal(err)
	}
	unmet, _, _ := s.value("next_rotation_timestamp_seconds" + liveSlot)
	d.predict(expectations{
		"consecutive_failures" + liveSlot:                                    atLeast(3),
		"next_rotation_timestamp_seconds" + liveSlot:                         is(unmet), // the oldest unmet instant
		"next_attempt_timestamp_seconds" + liveSlot:                          atLeast(unmet),
		"rotation_failures_total account=main step=mint reason=unauthorized": atLeast(3),
		"account_up account=main":                                            is(0),
		"cloudflare_requests_total account=main operation=create code=401":   atLeast(3),
		"slot_state state=failing" + liveSlot:                                is(1),
		"rotations_total strategy=overlap result=failure" + liveSlot:         atLeast(3),
	})
	d.sim.AddAPIToken(harness.APIToken, cfsim.Edit, harness.AccountID)
	d.predict(expectations{
		"consecutive_failures" + liveSlot: is(0), "next_attempt_timestamp_seconds" + liveSlot: absent(), "account_up account=main": is(1),
	})
}

// withAWS adds the sink aws, on a stand-in, to a world.
func (w *world) withAWS(more string) (*awstest.Server, string) {
	w.t.Helper()
	aws := awstest.New(w.t)
	w.env = append(w.env, harness.AWSEnv()...)
	return aws, fmt.Sprintf("  aws: {type: aws_secrets_manager, region: %s, endpoint_url: \"%s\", secret_id: \"moq/{{.Relay}}/{{.Type}}\", format: raw%s}\n",
		awstest.Region, aws.URL, more)
}

// refuseWrites lets nothing be written to the stand-in, though all looks well.
func refuseWrites(aws *awstest.Server) {
	aws.Inject(func(op, _ string) *awstest.Failure {
		if op == "CreateSecret" || op == "PutSecretValue" {
			return &awstest.Failure{Status: 500, Code: "InternalServiceError", Message: "we are on it"}
		}
		return nil
	})
}

func blackoutMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	aws, sink := w.withAWS("")
	w.configure(settings{Sinks: sink, Defaults: "{schedule: manual, strategy: in_place, sinks: [aws]}"})
	d := w.watch(l)
	began := time.Now()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.predict(expectations{
		"blackout_seconds_count": is(1), "blackout_seconds_sum": between(0.000001, time.Since(began).Seconds()),
		"blackout_start_timestamp_seconds": absent(), "rotation_duration_seconds_count strategy=in_place": is(1),
		"token_created_timestamp_seconds" + liveSlot: since(began),
		"token_expiry_timestamp_seconds" + liveSlot:  since(began.Add(365 * 24 * time.Hour)), // as the value claims
	})
	refuseWrites(aws)
	again := time.Now()
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.predict(expectations{
		"blackout_start_timestamp_seconds" + liveSlot:                                 since(again),
		"oldest_blackout_start_timestamp_seconds account=main":                        since(again),
		"targets sink=aws required=true state=pending":                                is(1),
		"next_attempt_timestamp_seconds" + liveSlot:                                   atLeast(float64(again.Unix())),
		"consecutive_failures" + liveSlot:                                             atLeast(2),
		"slot_state state=blackout" + liveSlot:                                        is(1),
		"pending_deliveries sink=aws":                                                 is(1),
		"oldest_pending_delivery_timestamp_seconds sink=aws":                          since(again),
		"sink_deliveries_total sink=aws sink_type=aws_secrets_manager result=failure": atLeast(2),
		"rotation_failures_total account=main step=deliver reason=server_error":       atLeast(2),
		"rotations_total strategy=in_place result=success" + liveSlot:                 is(1),
		"blackout_seconds_count":                                                      is(1), // it lasts
	})
	aws.Inject(nil)
	d.predict(expectations{
		"blackout_start_timestamp_seconds": absent(), "blackout_seconds_count": is(2), "consecutive_failures" + liveSlot: is(0),
		"pending_deliveries sink=aws": is(0), "oldest_pending_delivery_timestamp_seconds": absent(),
		"rotations_total strategy=in_place result=success" + liveSlot: is(2), "slot_state state=idle" + liveSlot: is(1),
		"cloudflare_requests_total account=main operation=rotate code=200": is(2), // the same value was brought home
	})
}

func supersededMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	aws, sink := w.withAWS(", timeout: 60s, probe_interval: 1s")
	w.configure(settings{Sinks: sink, Defaults: "{schedule: manual, initial: schedule, grace: 1h, sinks: [aws]}"})
	d := w.watch(l)
	d.rotatord("rotate", "live").Expect(t, 0)
	hang := make(chan struct{})
	aws.Inject(func(op, _ string) *awstest.Failure {
		if op == "PutSecretValue" {
			return &awstest.Failure{Hang: hang}
		}
		return nil
	})
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.predict(expectations{"slot_state state=delivering" + liveSlot: is(1), "pending_deliveries sink=aws": is(1)})
	refuseWrites(aws)
	close(hang)
	d.predict(expectations{"consecutive_failures" + liveSlot: atLeast(1)})
	d.rotatord("rotate", "--no-wait", "--compromised", "live").Expect(t, 0)
	d.predict(expectations{"rotations_total strategy=overlap result=superseded" + liveSlot: is(1)})
	aws.Inject(nil)
	d.predict(expectations{
		"rotations_total strategy=overlap result=superseded" + liveSlot: is(1), "pending_deliveries sink=aws": is(0),
		"consecutive_failures" + liveSlot: is(0),
	})
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == slot.StateIdle }) // probed again
	aws.Inject(func(string, string) *awstest.Failure { return &awstest.Failure{Dropped: true} })
	d.predict(expectations{"sink_up sink=aws": is(0)})
	aws.Inject(nil)
	d.predict(expectations{"sink_up sink=aws": is(1)})
}

func driftMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	w.configure(settings{Disk: ", probe_interval: 1s"})
	d := w.watch(l)
	d.rotatord("rotate", "live").Expect(t, 0)
	if err := os.Remove(w.Path("tokens/live/subscribe.token")); err != nil {
		t.Fatal(err)
	}
	d.predict(expectations{
		"sink_drift_total sink=disk": is(1), "rotations_total strategy=overlap result=success" + liveSlot: is(2),
	})
	d.says("a target is not as it was delivered", `"drift":"missing"`)
	d.served(0, "live/subscribe")
	w.Put("tokens/live/subscribe.token", "another writer's")
	d.predict(expectations{
		"sink_drift_total sink=disk": is(2), "rotations_total strategy=overlap result=success" + liveSlot: is(2), // once a period
	})
	d.predict(expectations{
		"slot_unhealthy_targets" + liveSlot: is(1), "targets sink=disk required=true state=changed": is(1), "sink_up sink=disk": is(1),
	})
	d.rotatord("status").Expect(t, 0, "disk changed")
}

func retirementMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	w.configure(settings{Defaults: "{schedule: manual, initial: schedule, grace: 1s, sinks: [disk]}"})
	d := w.watch(l)
	d.rotatord("rotate", "live").Expect(t, 0)
	d.world.api.breakMethod(http.MethodDelete)
	began := time.Now()
	d.rotatord("rotate", "live").Expect(t, 0)
	d.predict(expectations{
		"pending_retirements account=main": is(1), "oldest_pending_retirement_timestamp_seconds account=main": since(began.Add(time.Second)),
		"rotation_failures_total account=main step=retire reason=server_error": atLeast(2),
		"cloudflare_requests_total account=main operation=revoke code=500":     atLeast(2),
		"cloudflare_requests_total account=main operation=revoke code=200":     is(0),
		"consecutive_failures" + liveSlot:                                      is(0), // what is served is in order
	})
	d.world.api.breakMethod("")
	d.predict(expectations{
		"pending_retirements account=main": is(0), "oldest_pending_retirement_timestamp_seconds": absent(),
		"cloudflare_requests_total account=main operation=revoke code=200": is(1),
	})
}

func cloudflareMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.watch(l)
	d.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.LostBefore})
	d.rotatord("rotate", "live").Expect(t, 0)
	d.predict(expectations{
		"cloudflare_requests_total account=main operation=create code=error": is(1),
		"cloudflare_requests_total account=main operation=create code=201":   is(1),
		"cloudflare_requests_total account=main operation=list code=200":     atLeast(1),
	})
	d.sim.Next(cfsim.Create, cfsim.Fault{Kind: cfsim.RateLimited, Delay: 5 * time.Second})
	began := time.Now()
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.predict(expectations{
		"account_blocked_until_timestamp_seconds account=main":               between(float64(began.Unix()+5), float64(began.Add(patience).Unix())),
		"cloudflare_requests_total account=main operation=create code=429":   is(1),
		"rotation_failures_total account=main step=mint reason=rate_limited": is(1),
	})
	d.predict(expectations{
		"account_blocked_until_timestamp_seconds": absent(), "cloudflare_requests_total account=main operation=create code=201": is(2),
	})
	d.sim.AddAPIToken(harness.APIToken, cfsim.Read, harness.AccountID)
	d.rotatord("rotate", "--no-wait", "live").Expect(t, 0)
	d.predict(expectations{
		"account_up account=main": is(1), "rotation_failures_total account=main step=mint reason=forbidden": atLeast(1),
	})
}

func reloadMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	w.configure(settings{})
	d := w.watch(l)
	good := w.Read("config.yaml")
	w.Put("config.yaml", good+"nonsense: true\n")
	before, err := d.scrape()
	if err != nil {
		t.Fatal(err)
	}
	loaded, _, _ := before.value("config_last_reload_success_timestamp_seconds")
	d.Signal(syscall.SIGHUP)
	d.predict(expectations{"config_last_reload_successful": is(0), "config_last_reload_success_timestamp_seconds": is(loaded)})
	w.Put("config.yaml", good)
	d.Signal(syscall.SIGHUP)
	d.predict(expectations{"config_last_reload_successful": is(1), "config_last_reload_success_timestamp_seconds": atLeast(loaded + 0.001)})
}

func journalMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	disk := w.mountSmall("state")
	w.configure(settings{})
	d := w.watch(l)
	d.rotatord("rotate", "live").Expect(t, 0)
	minted := d.sim.Counts()[cfsim.Create]
	harness.Check(t, disk.Fill())
	d.until(func() error {
		d.rotatord("rotate", "--no-wait", "live")
		if code, _, _ := d.get("/-/ready"); code != http.StatusServiceUnavailable {
			minted = d.sim.Counts()[cfsim.Create]
			return fmt.Errorf("ready: %d", code)
		}
		return nil
	})
	d.predict(expectations{"journal_errors_total": atLeast(1)})
	d.rotatord("history", "live").Expect(t, 0)
	harness.Check(t, disk.Free())
	d.ready()
	if n := d.sim.Counts()[cfsim.Create]; n > minted+1 {
		t.Errorf("%d tokens were minted while the journal could not be written", n-minted)
	}
}

func perSlotMetrics(t *testing.T, l *ledger) {
	w := newWorld(t, 1)
	w.configure(settings{Top: "metrics: {per_slot: false}\n"})
	d := w.watch(l)
	d.rotatord("rotate", "live").Expect(t, 0)
	d.predict(expectations{
		"rotations_total strategy=overlap result=success": is(1), "slot_state": absent(), "slot_info": absent(),
		"sink_deliveries_total sink=disk result=success": is(1), "slot_unhealthy_targets": absent(), "slots account=main state=idle": is(1),
		"targets sink=disk required=true state=ok": is(1), "earliest_token_expiry_timestamp_seconds account=main": atLeast(float64(time.Now().Unix())),
	})
	s, err := d.scrape()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		for _, m := range s[name].Metric {
			if label(m, "relay") != "" {
				t.Errorf("%s names a relay", name)
			}
		}
	}
}
