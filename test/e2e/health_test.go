package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// illness is a way for a target to be in a state, and back.
type illness struct {
	state slot.TargetState
	up    float64 // sink_up meanwhile
	begin func()
	end   func()
	words string // of the error; "" where there is none
}

// patient is where the target of a test is, as the sink "store".
type patient struct {
	sink      string // its configuration
	illnesses func(*testing.T, *world) []illness
}

// TestTheStateOfATargetIsToldEverywhere goes through each sink and each state, there and back. Under in_place nothing
// repairs the target meanwhile: disk holds the value, too.
func TestTheStateOfATargetIsToldEverywhere(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *world) patient{"file": fileStore, "vault": vaultStore, "aws": awsStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			s := open(t, w)
			w.configure(settings{Sinks: s.sink, Defaults: "{schedule: manual, initial: schedule, strategy: in_place, sinks: [disk, store]}"})
			d := w.start()
			d.tells(slot.TargetPending, 0, "")
			d.rotatord("rotate", "live").Expect(t, 0)
			d.tells(slot.TargetOK, 1, "")
			for _, a := range s.illnesses(t, w) {
				a.begin()
				d.tells(a.state, a.up, a.words)
				d.says("a target is not", `"slot":"live/subscribe"`, `"sink":"store"`, fmt.Sprintf(`"state":%q`, a.state), `"required":true`)
				a.end()
				d.tells(slot.TargetOK, 1, "")
				d.says("a target is well again", `"sink":"store"`, fmt.Sprintf(`"before":%q`, a.state))
			}
			d.rotatord("history", "live").Expect(t, 0, "drifted")
		})
	}
}

// tells waits until the state of the store's target is everywhere that it is told.
func (d *daemon) tells(state slot.TargetState, up float64, words string) {
	d.t.Helper()
	bad := state.IsUnhealthy()
	s := d.untilSlot("live/subscribe", func(s slot.Status) bool { return d.target(s).State == state })
	well := state == slot.TargetOK || state == slot.TargetPending
	if about := d.target(s); well != about.Since.IsZero() || !strings.Contains(about.Error, words) {
		d.t.Errorf("%s: %+v", state, about)
	}
	if repaired := d.target(s).Repair; (repaired != "") != (state == slot.TargetMissing || state == slot.TargetChanged) {
		d.t.Errorf("%s: repaired %q", state, repaired)
	}
	want := expectations{
		"targets sink=store required=true state=" + string(state): is(1),
		"slot_unhealthy_targets" + liveSlot:                       is(0),
	}
	code := 0
	if bad {
		want["slot_unhealthy_targets"+liveSlot], code = is(1), 1
	}
	for _, other := range slot.TargetStates() {
		if other != state {
			want["targets sink=store required=true state="+string(other)] = is(0)
		}
	}
	if state != slot.TargetPending {
		want["sink_up sink=store"] = is(up)
	}
	d.predict(want)
	d.rotatord("status", "--check").Expect(d.t, code, "store "+string(state))
	d.shows("/slots/live/subscribe", string(state))
	if bad {
		d.shows("/?state=unhealthy", "live", "store", string(state)+" since")
	}
}

func (d *daemon) target(s slot.Status) slot.TargetStatus {
	i := slices.IndexFunc(s.Sinks, func(t slot.TargetStatus) bool { return t.Sink == "store" })
	return s.Sinks[i]
}

// shows has a page show words.
func (d *daemon) shows(page string, words ...string) {
	d.t.Helper()
	code, body, err := d.get(page)
	if err != nil || code != http.StatusOK || !containsAll(body, words) {
		d.t.Errorf("%s: %d, %v, and not %q in\n%s", page, code, err, words, body)
	}
}

func fileStore(_ *testing.T, w *world) patient {
	path := w.Path("store/live")
	return patient{
		sink: fmt.Sprintf("  store: {type: file, path: \"%s/{{.Relay}}\", probe_interval: 1s}\n", w.Path("store")),
		illnesses: func(t *testing.T, w *world) []illness {
			content := w.Read("store/live")
			remove := func() { harness.Check(t, os.RemoveAll(path)) }
			restore := func() { remove(); w.Put("store/live", content) }
			return []illness{
				{slot.TargetMissing, 1, remove, restore, ""},
				{slot.TargetChanged, 1, func() { w.Put("store/live", "somebody else's") }, restore, ""},
				{slot.TargetUnusable, 1, func() { remove(); harness.Check(t, os.Mkdir(path, 0o700)) }, restore, "is a folder"},
			}
		},
	}
}

func vaultStore(t *testing.T, w *world) patient {
	const at = "secret/data/" + subscribeAt
	vault := vaulttest.Start(t)
	vault.Policy(t, "moq", openPolicy)
	w.Put("vault-token", vault.Token(t, &api.TokenCreateRequest{Policies: []string{"moq"}}))
	return patient{
		sink: fmt.Sprintf("  store: {type: vault, address: \"%s\", path: \"moq/{{.Relay}}/{{.Type}}\", probe_interval: 1s, auth: {token: {file: %s}}}\n",
			vault.Address, w.Path("vault-token")),
		illnesses: func(t *testing.T, _ *world) []illness {
			content := readSecret(t, vault, at)
			restore := func() { vault.Write(t, at, map[string]any{"data": content}) }
			return []illness{
				{slot.TargetMissing, 1, func() { mustVault(t, vault, at) }, restore, ""},
				{slot.TargetChanged, 1, func() { vault.Write(t, at, map[string]any{"data": map[string]any{"token": "another's"}}) }, restore, ""},
				{
					slot.TargetUnusable, 1, func() { vault.Policy(t, "moq", `path "secret/data/other" { capabilities = ["read"] }`) },
					func() { vault.Policy(t, "moq", openPolicy) }, "policies lack",
				},
				{slot.TargetUnknown, 0, func() { vault.Seal(t) }, func() { vault.Unseal(t) }, "sealed"},
			}
		},
	}
}

// readSecret is what a secret of KV version 2 holds.
func readSecret(t *testing.T, vault *vaulttest.Server, path string) map[string]any {
	t.Helper()
	s, err := vault.Client(t).Logical().Read(path)
	if err != nil || s == nil {
		t.Fatalf("read %s: %v", path, err)
	}
	data, _ := s.Data["data"].(map[string]any)
	if _, err := json.Marshal(data); err != nil || len(data) == 0 {
		t.Fatalf("%s holds %v", path, data)
	}
	return data
}

func awsStore(t *testing.T, w *world) patient {
	const at = "moq/live"
	aws := awstest.New(t)
	w.env = append(w.env, harness.AWSEnv()...)
	fail := func(f awstest.Failure) func() {
		return func() { aws.Inject(func(string, string) *awstest.Failure { return &f }) }
	}
	mend := func() { aws.Inject(nil) }
	return patient{
		sink: fmt.Sprintf("  store: {type: aws_secrets_manager, region: %s, endpoint_url: \"%s\", secret_id: \"moq/{{.Relay}}\", format: raw, probe_interval: 1s}\n",
			awstest.Region, aws.URL),
		illnesses: func(*testing.T, *world) []illness {
			content, _ := aws.Value(at)
			restore := func() { aws.Put(at, content) }
			gone := awstest.Failure{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret."}
			return []illness{
				{slot.TargetMissing, 1, fail(gone), mend, ""},
				{slot.TargetChanged, 1, func() { aws.Put(at, "somebody else's") }, restore, ""},
				{slot.TargetUnusable, 1, fail(awstest.Failure{Code: "AccessDeniedException", Message: "not authorized"}), mend, "AccessDenied"},
				{slot.TargetUnknown, 0, fail(awstest.Failure{Dropped: true}), mend, "EOF"},
			}
		},
	}
}
