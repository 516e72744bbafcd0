package soak

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// world is everything around rotatord. It lives in the test's process, and so
// outlives every kill.
type world struct {
	testing.TB
	*harness.Folder
	sim    *cfsim.Sim
	api    string
	down   atomic.Bool         // Cloudflare does not answer at all
	called func(*http.Request) // each call, before it is answered; nil: nobody is told
	given  given
	aws    *awstest.Server
	vault  *vaulttest.Server // nil in the short form
	// awsAt and vaultAt are where rotatord reaches them, if not where they are.
	awsAt, vaultAt string
	shared         bool // files are on a file system that several replicas share
	slots          []slotSpec

	disturbed atomic.Int64        // counts what is done to sinks and clocks
	others    map[string]stranger // tokens that were there before rotatord, by id
	manual    bool                // no schedules: nothing new begins by itself
	existing  string              // what sinks do with contents that are not rotatord's
	moves
	clocks
	latest *daemon
	setup
}

// stranger is a token that rotatord did not make.
type stranger struct {
	relayID string
	rotates bool // the rotate call may replace it
}

// slotSpec is one slot as the test configures it.
type slotSpec struct {
	relay, relayID string
	typ            moq.TokenType
	strategy       moq.Strategy
	every, grace   time.Duration
	cron           string        // the schedule in its place; "": @every
	settle         time.Duration // of an overlap slot
	sinks          []string      // the name of an optional one ends with a question mark
	roams          bool          // its configuration moves
	other, otherID string        // the relay that its own exchanges its name with; empty: none
}

func (s slotSpec) name() string { return s.relay + "/" + string(s.typ) }

// listLag is how long lists go on showing what there was before.
const listLag = 2 * time.Second

// newWorld makes a Cloudflare with the slots' relays, on which others have tokens too.
func newWorld(t testing.TB, slots []slotSpec) *world {
	w := &world{TB: t, Folder: harness.NewFolder(t), slots: slots, aws: awstest.New(t), others: map[string]stranger{}, existing: "adopt"}
	w.wall = harness.NewClock(t)
	w.sim = harness.NewSim(cfsim.Options{Now: w.now, Strange: true, Unknown: w.unknown, ListLag: listLag}, 0)
	w.given.tokens = map[string]grant{}
	for _, s := range slots {
		if len(w.sim.Tokens(s.relayID)) > 0 {
			continue
		}
		w.sim.AddRelay(harness.AccountID, s.relayID, s.relay)
		for _, t := range w.sim.Tokens(s.relayID) {
			w.others[t.ID] = stranger{s.relayID, s.strategy == moq.InPlace}
		}
	}
	server := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(server.Close)
	w.api = server.URL + cfsim.BasePath
	for _, d := range []string{"state", "disk", "box", "spare", "extra"} {
		harness.Check(t, os.Mkdir(w.Path(d), 0o700))
	}
	w.setup = setup{config: w.ConfigFile(), socket: w.Socket(), log: w.Path("log"), env: append(harness.AWSEnv(), w.wall.Env())}
	return w
}

// unknown is for how long a relay refuses a new token: for less than any of its slots has it settle.
func (w *world) unknown(relayID string) time.Duration {
	longest := time.Duration(-1)
	for _, s := range w.slots {
		if s.relayID == relayID && s.settle > 0 && (longest < 0 || s.settle < longest) {
			longest = s.settle
		}
	}
	if longest < 0 {
		return 0
	}
	return longest/4 + rand.N(longest*7/10)
}

// serve is Cloudflare, and takes down every value that it hands out.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if w.down.Load() {
		panic(http.ErrAbortHandler)
	}
	if w.called != nil {
		w.called(r)
	}
	harness.Overhear(w.sim, w.given.note).ServeHTTP(rw, r)
}

// configure writes the configuration for the slots as they are.
func (w *world) configure() { w.Configure(w.configuration()) }

func (w *world) configuration() harness.Config {
	var relays strings.Builder
	initial := "now"
	if w.manual {
		initial = "schedule"
	}
	last := ""
	for _, s := range w.slots {
		if s.relay != last {
			fmt.Fprintf(&relays, "\n  %s:\n    id: %s\n    tokens:", w.relayName(s), s.relayID)
			last = s.relay
		}
		fmt.Fprintf(&relays, "\n      %s: {%s}", s.typ, w.settings(s))
	}
	return harness.Config{
		Top: "instance: soak\nlog: {level: debug}\n", NoTCP: true, APIURL: w.api,
		Account: ", rate_limit: {requests: 100000, per: 10s, share: 1}",
		Sinks:   w.sinks(), Defaults: "{account: main, initial: " + initial + "}", Relays: relays.String(),
	}
}

// sinks are all sinks, in YAML.
func (w *world) sinks() string {
	shared := ""
	if w.shared {
		shared = ", shared: true"
	}
	text := fmt.Sprintf(`  disk: {type: file, path: "%[1]s/disk/{{.Relay}}/{{.Type}}", timeout: 2s, probe_interval: 3s, existing: %[4]s%[5]s}
  box: {type: file, path: "%[1]s/box/{{.Relay}}-{{.Type}}.json", format: json, timeout: 2s, probe_interval: 3s, existing: %[4]s%[5]s}
  spare: {type: file, path: "%[1]s/spare/{{.Relay}}-{{.Type}}.env", format: env, timeout: 2s, probe_interval: 3s, existing: %[4]s%[5]s}
  aws: {type: aws_secrets_manager, region: %[2]s, endpoint_url: %[3]q, secret_id: "moq/{{.Relay}}/{{.Type}}", timeout: 2s, probe_interval: 5s, existing: %[4]s}
`, w.Dir, awstest.Region, cmp.Or(w.awsAt, w.aws.URL), w.existing, shared)
	if w.vault != nil {
		text += fmt.Sprintf("  vault: {type: vault, address: %q, path: \"moq/{{.Relay}}/{{.Type}}\", timeout: 2s, probe_interval: 5s, existing: adopt, auth: {token: {file: %s/vault-token}}}\n",
			cmp.Or(w.vaultAt, w.vault.Address), w.Dir)
	}
	return text + w.gainedSink()
}

func (w *world) settings(s slotSpec) string {
	schedule := "manual"
	if !w.manual && s.every > 0 {
		schedule = cmp.Or(s.cron, "@every "+s.every.String())
	}
	text := fmt.Sprintf("strategy: %s, schedule: %q", s.strategy, schedule)
	if s.strategy == moq.Overlap {
		text += ", grace: " + s.grace.String() + ", settle: " + s.settle.String()
	}
	if s.strategy == moq.Overlap && s.roams {
		text += ", lifetime: " + roamingLife.String()
	}
	refs := make([]string, len(s.sinks))
	for i, name := range s.sinks {
		refs[i] = w.movedRef(s, name)
		if name, optional := strings.CutSuffix(name, "?"); optional {
			refs[i] = "{sink: " + name + ", required: false}"
		}
	}
	return text + ", sinks: [" + strings.Join(w.withGained(s, refs), ", ") + "]"
}

// launch starts the daemon and waits until it works.
func (w *world) launch() *daemon {
	w.Helper()
	d := w.start(w)
	w.latest = d
	w.ready(d)
	return d
}

func (w *world) ready(d *daemon) {
	w.Helper()
	harness.Eventually(w, time.Minute, "rotatord ready", func() error {
		select {
		case <-d.Done():
			w.Fatalf("rotatord ended by itself with code %d:\n%s", d.State().ExitCode(), w.logged(2000))
		default:
		}
		return d.Ready(w.Context())
	})
}

// logged returns the last bytes of rotatord's log.
func (w *world) logged(n int) string {
	b, err := os.ReadFile(w.log)
	harness.Check(w, err)
	return string(b[max(0, len(b)-n):])
}

// statuses asks the daemon for every slot's status, by name.
func (w *world) statuses() (map[string]slot.Status, error) {
	client := adminapi.NewClient(w.socket)
	defer client.Close()
	list, err := client.Slots(w.Context())
	out := map[string]slot.Status{}
	for _, s := range list {
		out[s.Slot] = s
	}
	return out, err
}

// until waits until check is content with the status of every slot.
func (w *world) until(within time.Duration, what string, check func(slotSpec, slot.Status) error) {
	w.Helper()
	harness.Eventually(w, within, what, func() error {
		all, err := w.statuses()
		if err != nil {
			return err
		}
		for _, s := range w.slots {
			if err := check(s, all[s.name()]); err != nil {
				return fmt.Errorf("%s: %w (%s)", s.name(), err, why(all[s.name()]))
			}
		}
		return nil
	})
}

func why(s slot.Status) string {
	if s.Failure != nil {
		return fmt.Sprintf("%s, %d failures, the last at %s: %s; next %s", s.State, s.ConsecutiveFailures, s.Failure.Stage, s.Failure.Message,
			time.Until(s.Failure.Next).Round(time.Second))
	}
	return fmt.Sprintf("%s, rotated %s, note %q", s.State, s.LastRotation, s.Note)
}

// atRest is content with a slot that has nothing left to do.
func atRest(_ slotSpec, s slot.Status) error {
	switch {
	case s.State != slot.StateIdle || slices.ContainsFunc(s.OldTokens, isHeld) || s.LastRotation.IsZero():
		return fmt.Errorf("it is not at rest: %d old tokens", len(s.OldTokens))
	}
	for _, t := range s.Sinks {
		if t.State != "ok" {
			return fmt.Errorf("%s is %s", t.Sink, t.State)
		}
	}
	return nil
}

// isHeld reports whether an old token is more than left to expire.
func isHeld(t slot.TokenStatus) bool { return !t.LeftToExpire }

// rotatedSince is content with a slot that was rotated after at, and not by a clock that was ahead.
func (w *world) rotatedSince(at time.Time) func(slotSpec, slot.Status) error {
	return func(_ slotSpec, s slot.Status) error {
		if !s.LastRotation.After(at) || s.LastRotation.After(w.now()) {
			return fmt.Errorf("no rotation was verified since")
		}
		return nil
	}
}
