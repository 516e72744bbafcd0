package e2e

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// strayToken comes in an answer that makes no sense.
const strayToken = "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJzdHJheSJ9.c3RyYXktdG9rZW4tb2YtYS1icm9rZW4tYW5zd2Vy"

var canarySlots = []string{"live/subscribe", "live/publish_subscribe", "other/subscribe"}

// TestNoValueLeaks runs a daemon at log level debug through success and failure
// and looks for every token's value, and parts of it, wherever rotatord writes or answers.
func TestNoValueLeaks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	vault := vaulttest.Start(t)
	aws, awsSink := w.withAWS(", probe_interval: 1s")
	w.Put("vault-token", vault.RootToken)
	w.configure(settings{
		Top:  "log: {level: debug}\n",
		Disk: ", probe_interval: 1s",
		Sinks: awsSink + fmt.Sprintf("  vault: {type: vault, address: \"%s\", mount: secret, path: \"moq/{{.Relay}}/{{.Type}}\", auth: {token: {file: %s}}}\n",
			vault.Address, w.Path("vault-token")),
		Defaults: `{schedule: "@every 1s", sinks: [disk, aws, vault]}`,
		Relays: fmt.Sprintf("{live: {id: %s, grace: 300ms, tokens: {subscribe: {}, publish_subscribe: {}}}, other: {id: %s, strategy: in_place, tokens: {subscribe: {}}}}",
			harness.RelayID(0), harness.RelayID(1)),
	})
	d := w.start()
	said := &strings.Builder{}
	for _, name := range canarySlots {
		d.untilSlot(name, func(s slot.Status) bool { return !s.LastRotation.IsZero() })
	}
	pending := d.suffer(aws, vault)
	for _, args := range [][]string{
		{"status"}, {"status", "-o", "json"}, {"history", "-n", "1000"}, {"tokens", "live"}, {"tokens", "prune", "live", "--yes"}, {"plan", "--for", "1m"},
		{"check", "--online"}, {"rotate", "--no-wait", "--all"}, {"rotate", "--compromised", "live/subscribe"},
	} {
		r := d.rotatord(args...)
		said.WriteString(r.Out + r.Err)
	}
	answers := d.answers()
	inProc := d.proc()
	files := d.files()

	// What is served is read once, and first: rotations go on.
	served := []string{d.token("live/subscribe"), d.token("live/publish_subscribe"), d.token("other/subscribe")}
	values := append(w.api.handedOut(), strayToken)
	slices.Sort(values)
	values = slices.Compact(values)
	inSink := 0
	for _, value := range values {
		if slices.Contains(served, value) {
			inSink++
		}
	}
	if inSink != len(served) || len(values) < 10 {
		t.Fatalf("of %d values only %d are in the file sink: this test could not fail", len(values), inSink)
	}
	if !leaks(served[0], values) {
		t.Fatal("a leak would not be found")
	}
	for where, text := range map[string]string{
		"the log": d.logs.String(), "the command line": said.String(), "an HTTP answer": answers, "/proc": inProc, "the state folder": files,
		"the state folder during a delivery": pending,
	} {
		if len(text) < 500 {
			t.Errorf("%s: there is too little to look at: %q", where, text)
		}
		if leaks(text, values) {
			t.Errorf("a token's value is in %s", where)
		}
		if strings.ContainsAny(text, "\x1b\u009b\u202e") && where != "/proc" && !strings.HasPrefix(where, "the state folder") {
			t.Errorf("what steers a terminal is in %s", where)
		}
	}
	if !strings.Contains(d.logs.String(), `not to our taste`) || !strings.Contains(d.logs.String(), `u202e`) {
		t.Error("the log does not repeat what the store said")
	}
	for _, failure := range []string{"server_error", "bad_answer", `"step":"deliver"`, `"step":"mint"`, "vault", "aws", "InvalidRequestException"} {
		if !strings.Contains(d.logs.String(), failure) {
			t.Errorf("the log knows nothing of %s: that failure was not looked at", failure)
		}
	}
}

// What a program that gives AWS credentials prints may be the credentials, on its standard error too.
func TestWhatACredentialProcessPrintsReachesNobody(t *testing.T) {
	t.Parallel()
	const printed = "the passphrase is correct horse battery staple"
	w := newWorld(t, 1)
	aws := awstest.New(t)
	w.Put("program", "#!/bin/sh\n: > "+w.Path("ran")+"\necho '"+printed+"'\necho '"+printed+"' >&2\nexit 3\n")
	if err := os.Chmod(w.Path("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.Put("aws-config", "[default]\ncredential_process = "+w.Path("program")+"\n")
	w.env = append(w.env, "AWS_CONFIG_FILE="+w.Path("aws-config"), "AWS_EC2_METADATA_DISABLED=true")
	w.configure(settings{
		Sinks:    fmt.Sprintf("  aws: {type: aws_secrets_manager, region: %s, endpoint_url: \"%s\", secret_id: \"moq/{{.Relay}}\"}\n", awstest.Region, aws.URL),
		Defaults: `{schedule: "@every 1s", sinks: [aws]}`,
	})
	online := w.rotatord("check", "--online")
	d := w.start()
	d.says("credential_process", "exit status 3")
	if !exists(w.Path("ran")) {
		t.Fatal("the program was not run: the test cannot fail")
	}
	status := d.rotatord("status")
	for where, text := range map[string]string{
		"the log": d.logs.String(), "check --online": online.Out + online.Err, "status": status.Out + status.Err,
	} {
		if strings.Contains(text, "correct horse") {
			t.Errorf("what it printed is in %s:\n%s", where, text)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// leaks looks for values: for the beginning of their signatures, for their
// claims, and for both as JSON keeps bytes.
func leaks(text string, values []string) bool {
	for _, value := range values {
		part := strings.Split(value, ".")
		inBytes := base64.StdEncoding.EncodeToString([]byte(value))
		for _, trace := range []string{part[1], part[2][:24], inBytes[:len(inBytes)-4]} {
			if strings.Contains(text, trace) {
				return true
			}
		}
	}
	return false
}

// sealed is how a value that age has encrypted begins in the journal.
var sealed = base64.StdEncoding.EncodeToString([]byte("age-encryption.org"))

// suffer has everything go wrong once, with answers that quote values. It gives
// what the files held while values waited for delivery.
func (d *daemon) suffer(aws *awstest.Server, vault *vaulttest.Server) (pending string) {
	d.t.Helper()
	nonsense := []string{
		`{"success":true,"errors":[],"messages":[],"result":{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[{"jti":"x","secret":"` + strayToken + `"}]}]}}`,
		`{"success":true,"result":{"token":["` + strayToken + `"]}}`, `{"success":false,"errors":[{"code":1,"message":"` + strayToken + `"}]}`, strayToken,
	}
	for _, op := range []cfsim.Op{cfsim.Create, cfsim.Rotate} {
		for _, body := range nonsense {
			d.sim.Next(op, cfsim.Fault{Kind: cfsim.Garbage, Body: body})
		}
		d.sim.Next(op, cfsim.Fault{Kind: cfsim.Truncated}, cfsim.Fault{Kind: cfsim.LostAfter}, cfsim.Fault{Kind: cfsim.Instead, Status: 500, Body: nonsense[2]})
	}
	d.says(`"step":"mint"`, `"reason":"bad_answer"`, "live/")
	d.says(`"step":"mint"`, `"reason":"bad_answer"`, "other/")
	d.says(`"step":"mint"`, `"reason":"server_error"`)
	aws.Inject(func(op, _ string) *awstest.Failure {
		if op != "PutSecretValue" {
			return nil
		}
		values := d.world.api.handedOut() // the newest is the one that is just being written
		newest := values[len(values)-1]
		return &awstest.Failure{Code: "InvalidRequestException", Message: "not to our taste\x1b[2J\u009b2J\u202e\r\n: " + newest + " or " +
			base64.StdEncoding.EncodeToString([]byte(newest)) + strings.Repeat(" and so on", 10_000)}
	})
	d.says(`"step":"deliver"`, "InvalidRequestException")
	if pending = d.files(); !strings.Contains(pending, sealed) {
		d.t.Error("the journal holds nothing sealed: a value in clear might be there at another time")
	}
	aws.Inject(nil)
	vault.Seal(d.t)
	d.says("vault", "sealed")
	vault.Unseal(d.t)
	for _, name := range canarySlots {
		d.recovers(name)
	}
	return pending
}

// recovers waits until a slot is in order again, without the patience that it
// has learned from its failures.
func (d *daemon) recovers(name string) {
	d.t.Helper()
	relay, typ, _ := strings.Cut(name, "/")
	if _, err := d.api.Rotate(d.t.Context(), relay, typ, false); err != nil {
		d.t.Fatal(err)
	}
	d.untilSlot(name, func(s slot.Status) bool {
		if s.ConsecutiveFailures > 0 {
			_, _ = d.api.Rotate(d.t.Context(), relay, typ, false)
		}
		return s.ConsecutiveFailures == 0 && s.Requested.IsZero()
	})
}

// answers is what every page and every part of the API says.
func (d *daemon) answers() string {
	d.t.Helper()
	var b strings.Builder
	for _, path := range []string{
		"/", "/metrics", "/-/ready", "/-/healthy", "/api/v1/slots", "/api/v1/slots/live/subscribe", "/api/v1/slots/other/subscribe",
		"/slots/live/subscribe", "/slots/live/publish_subscribe", "/slots/other/subscribe", "/api/v1/history?limit=1000", "/api/v1/tokens/live",
		"/api/v1/plan?for=1h", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1",
	} {
		code, body, err := d.get(path)
		if err != nil || code != http.StatusOK {
			d.t.Errorf("%s: %d %s, %v", path, code, body, err)
		}
		b.WriteString(body)
	}
	return b.String()
}

// proc is what ps and its like can see of the process.
func (d *daemon) proc() string {
	d.t.Helper()
	var b strings.Builder
	for _, name := range []string{"cmdline", "environ", "status", "limits"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", d.Pid(), name))
		if err != nil {
			d.t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}

// files is what the state folder and everything else of the world holds, but the sink.
func (d *daemon) files() string {
	d.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(d.Dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && path == d.world.Path("tokens") {
			return fs.SkipDir
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		b.Write(text)
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
	return b.String()
}
