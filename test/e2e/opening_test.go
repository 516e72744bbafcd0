package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// A part of the world that is in trouble, beside all that works.
type part struct {
	sink, account string // in YAML
	says          []string
}

// parts are in trouble for want of something that no file says.
func (w *world) parts() map[string]part {
	vault := func(name, more string) string {
		return fmt.Sprintf("  %s: {type: vault, path: \"moq/%s/{{.Type}}\"%s}\n", name, name, more)
	}
	aws := "  profile: {type: aws_secrets_manager, region: eu-west-1, endpoint_url: \"http://127.0.0.1:1\", secret_id: \"profile/{{.Type}}\"}\n"
	return map[string]part{
		"ca":      {sink: vault("ca", `, address: "https://127.0.0.1:1", ca_file: /nowhere/ca.pem, auth: {token: {file: `+w.Path("api-token")+`}}`), says: []string{"/nowhere/ca.pem"}},
		"unset":   {sink: vault("unset", `, address: "https://127.0.0.1:1", auth: {token: {env: NOT_THERE}}`), says: []string{"NOT_THERE", "not set"}},
		"nowhere": {sink: vault("nowhere", `, auth: {token: {file: `+w.Path("api-token")+`}}`), says: []string{"VAULT_ADDR"}},
		"hanging": {sink: vault("hanging", `, timeout: 1s, address: "https://127.0.0.1:1", ca_file: `+w.Path("fifo")+`, auth: {token: {file: `+w.Path("api-token")+`}}`),
			says: []string{"timeout of 1s"}},
		"profile": {sink: aws, says: []string{"AWS_PROFILE"}},
		"account": {account: "  other: {account_id: " + otherAccount + ", api_token: {env: NOT_THERE}}\n", says: []string{"NOT_THERE", "not set"}},
	}
}

func (w *world) configureParts() map[string]part {
	all := w.parts()
	var s settings
	relays := []string{fmt.Sprintf("live: {id: %s, tokens: {subscribe: {schedule: \"@every 1s\", grace: 300ms}}}", harness.RelayID(0))}
	n := 0
	for name, p := range all {
		n++
		sink, account := name, "main"
		if p.account != "" {
			sink, account = "disk", "other"
		}
		s.Sinks, s.Accounts = s.Sinks+p.sink, s.Accounts+p.account
		relays = append(relays, fmt.Sprintf("%s: {id: %s, account: %s, tokens: {subscribe: {initial: now, sinks: [%s]}}}", name, harness.RelayID(n), account, sink))
	}
	s.Relays = "{" + strings.Join(relays, ", ") + "}"
	s.Defaults = "{account: main, schedule: manual, initial: schedule, grace: 1h, sinks: [disk]}"
	w.configure(s)
	return all
}

func newTroubledWorld(t *testing.T) (*world, map[string]part) {
	t.Helper()
	w := newWorld(t, 7)
	if err := syscall.Mkfifo(w.Path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "AWS_PROFILE=video", "AWS_EC2_METADATA_DISABLED=true")
	return w, w.configureParts()
}

func TestAStartWithPartsInTroubleRotatesTheRestAndSaysWhy(t *testing.T) {
	t.Parallel()
	w, all := newTroubledWorld(t)
	d := w.start()
	d.rotates("live/subscribe")
	for name, p := range all {
		d.failing(name+"/subscribe", p.says...)
	}
	d.predict(expectations{"sink_up sink=ca": is(0), "sink_up sink=disk": is(1), "account_up account=other": is(0), "account_up account=main": is(1)})
	d.Signal(syscall.SIGHUP)
	d.says("configuration reloaded", `"warnings":6`)
	code, body, err := d.ask(http.MethodPost, "/-/reload")
	if err != nil || code != http.StatusOK || !containsAll(body, []string{"warnings", "NOT_THERE", "/nowhere/ca.pem", "AWS_PROFILE"}) {
		t.Errorf("reload: %d %s, %v", code, body, err)
	}
	d.rotates("live/subscribe")
}

func TestOneRunAndChecksWithPartsInTroubleDoTheRestAndSayWhy(t *testing.T) {
	t.Parallel()
	w, all := newTroubledWorld(t)
	w.rotatord("check").Expect(t, 0, "is valid")
	w.rotatord("plan").Expect(t, 0, "live/subscribe")
	online := w.rotatord("check", "--online")
	once := w.rotatord("run", "--once")
	for name, p := range all {
		online.Expect(t, 1, append(p.says, "FAIL", name)...)
		once.Expect(t, 1, append(p.says, `"slot":"`+name+`/subscribe"`)...)
	}
	online.Expect(t, 1, "it exists", "live/subscribe.token can be written")
}

func TestStrayVariablesOfVaultAndAWSEndNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	aws, sink := w.withAWS("")
	w.env = append(w.env, "VAULT_CACERT=/nowhere", "VAULT_CLIENT_CERT=/nowhere", "VAULT_MAX_RETRIES=abc", "VAULT_CLIENT_TIMEOUT=abc",
		"VAULT_SKIP_VERIFY=abc", "VAULT_HEADERS=abc", "VAULT_RATE_LIMIT=abc", "VAULT_DISABLE_REDIRECTS=abc", "VAULT_ADDR=:")
	vault := "  vault: {type: vault, address: \"http://127.0.0.1:1\", path: x, auth: {token: {file: " + w.Path("api-token") + "}}}\n"
	w.configure(settings{Sinks: sink + vault, Defaults: `{schedule: "@every 1s", grace: 300ms, sinks: [aws, {sink: vault, required: false}]}`})
	d := w.start()
	d.rotates("live/subscribe")
	if _, exists := aws.Value("moq/live/subscribe"); !exists {
		t.Error("nothing came to AWS")
	}
	if d.stop() != 0 || strings.Contains(d.logs.String(), "does not work as things are") {
		t.Errorf("a sink was not opened:\n%s", d.logs)
	}
}

func TestASharedFileOfAWSThatIsMendedIsReadWithoutARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	aws, sink := w.withAWS("")
	half := "[default]\naws_access_key_id = A\n"
	w.Put("aws-config", half)
	w.env = append(w.env, "AWS_CONFIG_FILE="+w.Path("aws-config"))
	w.configure(settings{Sinks: sink, Defaults: "{schedule: manual, initial: now, sinks: [aws]}"})
	d := w.start()
	d.failing("live/subscribe", "aws-config", "partial credentials")
	if err := os.Remove(w.Path("aws-config")); err != nil {
		t.Fatal(err)
	}
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.State == slot.StateIdle && s.TokenID != "" })
	if _, exists := aws.Value("moq/live/subscribe"); !exists {
		t.Error("nothing came to AWS")
	}
}
