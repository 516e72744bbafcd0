package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/test/harness"
)

// hour is a rotatord that much happens to, and the dashboard on the Prometheus that watches it.
type hour struct {
	*daemon
	perSlot     bool
	clock       *harness.Clock
	cloudflares *theirs
	lying       atomic.Bool // Cloudflare's values claim another id than its answers tell
	aws         *awstest.Server
	log         io.Closer // the end that is read
	shown       *shown
	since       time.Time // when the event of the moment began
	clockSet    time.Time // when somebody set the clock
}

// lateBy is how far all clocks but Prometheus' are behind, until that time passes at once; and this machine's clock is
// that far behind Cloudflare's, until somebody sets it.
const lateBy = 2 * time.Minute

// spareToken is the API token of an account to which it is given late.
const spareToken = "the-api-token-of-another-account"

// scraper is who scrapes where the listener asks for a password.
var scraper = url.UserPassword("prometheus", "scrape")

func beginHour(t *testing.T, job string, perSlot bool) *hour {
	t.Helper()
	w, clock, cloudflares := newTimedWorld(t) // as it is shipped, without the race detector
	h := &hour{perSlot: perSlot, clock: clock, cloudflares: cloudflares}
	clock.SetAhead(-2 * lateBy)
	cloudflares.setAhead(-lateBy)
	h.setUp(w)
	read := h.pipedLog(w)
	h.daemon = w.start()
	read(h.logs)
	h.shown = &shown{board: readBoard(t), t: t, began: time.Now()}
	h.shown.prom = rotatord.StartPrometheus(t, harness.Monitoring{
		Interval: time.Second, // a scrape that takes longer has failed
		Jobs:     map[string][]string{job: {h.address()}}, Itself: "prometheus", User: scraper,
		Rules: []string{w.writeAlert()}, NativeHistograms: !perSlot, // each kind is shown once
	})
	h.untilShown(func() error {
		series, err := h.shown.prom.Query("rotatord_build_info")
		if err == nil && len(series) == 0 {
			err = errors.New("Prometheus has not scraped it")
		}
		return err
	})
	return h
}

// setUp makes the accounts, and writes the configuration.
func (h *hour) setUp(w *world) {
	w.t.Helper()
	for n := range 4 {
		w.sim.AddRelay(harness.AccountID, harness.RelayID(n), fmt.Sprint("relay ", n))
	}
	w.sim.AddAccount(otherAccount, cfsim.Both)
	w.sim.AddRelay(otherAccount, harness.RelayID(4), "relay 4")
	w.sim.SetAPIToken(harness.APIToken, 0, "", time.Now().AddDate(0, 0, 29))
	w.sim.SetQuota(harness.APIToken, 1_000_000, time.Minute)
	w.api = serveCloudflare(w.t, claiming(w.sim, func(claims map[string]any) {
		if h.lying.Load() {
			claims["jti"] = "00000000000000000000000000000bad"
		}
	}))
	h.aws = w.configureHour(h.perSlot)
}

func (w *world) configureHour(perSlot bool) *awstest.Server {
	w.t.Helper()
	aws, sink := w.withAWS(", probe_interval: 1s")
	relay := func(n int, keys string) string {
		return fmt.Sprintf("{id: %s, tokens: {subscribe: {%s}}}", harness.RelayID(n), keys)
	}
	w.Put("spare-token", spareToken)
	w.configure(settings{
		Top:     fmt.Sprintf("metrics: {per_slot: %t}\n", perSlot),
		Server:  w.withLogin(scraper),
		Account: ", rate_limit: {requests: 100000, per: 5m, share: 1}",
		Accounts: fmt.Sprintf("  spare: {account_id: %s, api_token: {file: %s}, api_url: %q}\n",
			otherAccount, w.Path("spare-token"), w.api.url),
		Disk: ", probe_interval: 1s", Sinks: sink, Defaults: "{account: main, initial: now, grace: 1s, sinks: [disk]}",
		Relays: "\n  live: " + relay(0, `schedule: "@every 2s"`) +
			"\n  still: " + relay(1, "schedule: manual") +
			"\n  edge: " + relay(2, "schedule: manual, strategy: in_place, sinks: [aws]") +
			"\n  both: " + relay(3, `schedule: "@every 3s", sinks: [disk, aws]`) +
			"\n  spare: {account: spare, " + relay(4, "schedule: manual")[1:],
	})
	return aws
}

// withLogin has the listener let in nobody but a user. It returns the server's key for it.
func (w *world) withLogin(user *url.Userinfo) string {
	w.t.Helper()
	password, _ := user.Password()
	hash := harness.Must[[]byte](w.t)(bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost))
	w.Put("web.yaml", fmt.Sprintf("basic_auth_users: {%s: %q}\n", user.Username(), hash))
	return ", web_config_file: " + w.Path("web.yaml")
}

// writeAlert writes a rule under the name of one of rotatord's that fires at once.
func (w *world) writeAlert() (path string) {
	w.Put("rules.yaml", `groups: [{name: a, rules: [{
		alert: MoQRotationFailing, labels: {severity: warning},
		expr: 'sum by (job) (rotatord_slots{state="failing"}) > 0'}]}]`)
	return w.Path("rules.yaml")
}

// pipedLog has the daemon's log go through a pipe. What it returns begins to read, once the daemon runs.
func (h *hour) pipedLog(w *world) (read func(io.Writer)) {
	w.t.Helper()
	from, to, err := os.Pipe()
	harness.Check(w.t, err)
	w.stderr, h.log = to, from
	w.t.Cleanup(func() { _ = from.Close() })
	return func(logs io.Writer) {
		_ = to.Close() // the daemon's own is left
		go func() { _, _ = io.Copy(logs, from) }()
	}
}
