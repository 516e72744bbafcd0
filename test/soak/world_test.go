package soak

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
)

const (
	account  = "023e105f4ecef8ad9ca31a8372d0c353"
	apiToken = "soak-api-token"
)

// world is everything around rotatord. It lives in the test's process, and so
// outlives every kill.
type world struct {
	testing.TB
	dir   string
	sim   *cfsim.Sim
	api   string
	down  atomic.Bool // Cloudflare does not answer at all
	given given
	aws   *awstest.Server
	vault *vaulttest.Server // nil in the short form
	slots []slotSpec

	others   map[string]stranger // tokens that were there before rotatord, by id
	manual   bool                // no schedules: nothing new begins by itself
	existing string              // what sinks do with contents that are not rotatord's
	latest   *daemon
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
	sinks          []string // the name of an optional one ends with a question mark
}

func (s slotSpec) name() string { return s.relay + "/" + string(s.typ) }

// newWorld makes a Cloudflare with the slots' relays, on which others have tokens too.
func newWorld(t testing.TB, slots []slotSpec) *world {
	dir, err := os.MkdirTemp("", "soak-") // a test's name may not go into the configuration
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{TB: t, dir: dir, slots: slots, aws: awstest.New(t), others: map[string]stranger{}, existing: "adopt"}
	w.sim = cfsim.New(cfsim.Options{Strange: true})
	w.sim.AddAccount(account, cfsim.Both)
	w.sim.AddAPIToken(apiToken, cfsim.Edit, account)
	w.given.tokens = map[string]grant{}
	for _, s := range slots {
		if len(w.sim.Tokens(s.relayID)) > 0 {
			continue
		}
		w.sim.AddRelay(account, s.relayID, s.relay)
		for _, t := range w.sim.Tokens(s.relayID) {
			w.others[t.ID] = stranger{s.relayID, s.strategy == moq.InPlace}
		}
	}
	server := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(server.Close)
	w.api = server.URL + cfsim.BasePath
	for _, d := range []string{"state", "disk", "box", "spare"} {
		must(t, os.Mkdir(w.path(d), 0o700))
	}
	w.write("api-token", apiToken)
	w.setup = setup{
		config: w.path("config.yaml"), socket: w.path("admin.sock"), log: w.path("log"),
		env: []string{"AWS_ACCESS_KEY_ID=" + awstest.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + awstest.SecretAccessKey, "AWS_EC2_METADATA_DISABLED=true"},
	}
	return w
}

// serve is Cloudflare, and takes down every value that it hands out.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if w.down.Load() {
		panic(http.ErrAbortHandler)
	}
	w.sim.ServeHTTP(noting{rw, &w.given}, r)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) { must(w, os.WriteFile(w.path(name), []byte(text), 0o600)) }

// configure writes the configuration for the slots as they are.
func (w *world) configure() {
	var b bytes.Buffer
	fmt.Fprintf(&b, `instance: soak
state: {path: %[1]s/state}
server: {listen: "", admin_socket: %[1]s/admin.sock}
log: {level: debug}
accounts:
  main:
    account_id: %[2]s
    api_token: {file: %[1]s/api-token}
    api_url: %[3]s
    rate_limit: {requests: 100000, per: 10s, share: 1}
sinks:
  disk: {type: file, path: "%[1]s/disk/{{.Relay}}/{{.Type}}", timeout: 2s, probe_interval: 3s, existing: %[6]s}
  box: {type: file, path: "%[1]s/box/{{.Relay}}-{{.Type}}.json", format: json, timeout: 2s, probe_interval: 3s, existing: %[6]s}
  spare: {type: file, path: "%[1]s/spare/{{.Relay}}-{{.Type}}.env", format: env, timeout: 2s, probe_interval: 3s, existing: %[6]s}
  aws: {type: aws_secrets_manager, region: %[4]s, endpoint_url: %[5]q, secret_id: "moq/{{.Relay}}/{{.Type}}", timeout: 2s, probe_interval: 5s, existing: %[6]s}
`, w.dir, account, w.api, awstest.Region, w.aws.URL, w.existing)
	if w.vault != nil {
		fmt.Fprintf(&b, "  vault: {type: vault, address: %q, path: \"moq/{{.Relay}}/{{.Type}}\", timeout: 2s, probe_interval: 5s, existing: adopt, auth: {token: {file: %s/vault-token}}}\n",
			w.vault.Address, w.dir)
	}
	b.WriteString("defaults: {account: main, initial: now}\nrelays:\n")
	last := ""
	for _, s := range w.slots {
		if s.relay != last {
			fmt.Fprintf(&b, "  %s:\n    id: %s\n    tokens:\n", s.relay, s.relayID)
			last = s.relay
		}
		fmt.Fprintf(&b, "      %s: {%s}\n", s.typ, w.settings(s))
	}
	w.write("config.yaml", b.String())
}

func (w *world) settings(s slotSpec) string {
	schedule := "manual"
	if !w.manual && s.every > 0 {
		schedule = "@every " + s.every.String()
	}
	text := fmt.Sprintf("strategy: %s, schedule: %q", s.strategy, schedule)
	if s.strategy == moq.Overlap {
		text += ", grace: " + s.grace.String()
	}
	refs := make([]string, len(s.sinks))
	for i, name := range s.sinks {
		refs[i] = name
		if name, optional := strings.CutSuffix(name, "?"); optional {
			refs[i] = "{sink: " + name + ", required: false}"
		}
	}
	return text + ", sinks: [" + strings.Join(refs, ", ") + "]"
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
	eventually(w, time.Minute, "rotatord ready", func() error {
		select {
		case <-d.over():
			w.Fatalf("rotatord ended by itself with code %d:\n%s", d.exitCode(), w.logged(2000))
		default:
		}
		return d.ready()
	})
}

// logged gives the last bytes of rotatord's log.
func (w *world) logged(n int) string {
	b, err := os.ReadFile(w.log)
	must(w, err)
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
	eventually(w, within, what, func() error {
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
		return fmt.Sprintf("%s, %d failures, the last at %s: %s; next %s", s.State, s.Failures, s.Failure.Stage, s.Failure.Message,
			time.Until(s.Failure.Next).Round(time.Second))
	}
	return fmt.Sprintf("%s, rotated %s, note %q", s.State, s.Rotated, s.Note)
}

// atRest is content with a slot that has nothing left to do.
func atRest(_ slotSpec, s slot.Status) error {
	switch {
	case s.State != slot.StateIdle || len(s.Old) > 0 || s.Rotated.IsZero():
		return fmt.Errorf("it is not at rest: %d old tokens", len(s.Old))
	}
	for _, t := range s.Sinks {
		if t.State != "ok" {
			return fmt.Errorf("%s is %s", t.Sink, t.State)
		}
	}
	return nil
}

// rotatedSince is content with a slot that was rotated after at.
func rotatedSince(at time.Time) func(slotSpec, slot.Status) error {
	return func(_ slotSpec, s slot.Status) error {
		if !s.Rotated.After(at) {
			return fmt.Errorf("no rotation was verified since")
		}
		return nil
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
