package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/file"
	"github.com/rotatord/rotatord/internal/sinks/vault"
)

// opening is a file sink, a Vault, an AWS and an account, of which a test spoils one.
type opening struct {
	dir      string
	vaultURL string
	cfg      *config.Config
	vault    *vault.Config
	aws      *awssm.Config
	awsCalls func() []string
}

const (
	unsetVariable = "ROTATORD_TEST_UNSET"
	relayID       = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
)

// newOpening makes a world in which all opens and works.
func newOpening(t *testing.T) *opening {
	t.Helper()
	o := &opening{dir: t.TempDir(), vault: vault.NewConfig(), aws: awssm.NewConfig()}
	o.put(t, "token", "a-token")
	store := httptest.NewTLSServer(http.HandlerFunc(answerLikeAnEmptyVault))
	t.Cleanup(store.Close)
	o.vaultURL = store.URL
	o.put(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: store.Certificate().Raw})))
	o.vault.Address, o.vault.CAFile, o.vault.Path = store.URL, o.path("ca.pem"), "moq/{{.Relay}}"
	o.vault.Auth.Token = &secret.Source{File: o.path("token")}
	aws := awstest.New(t)
	o.aws.Region, o.aws.EndpointURL, o.aws.SecretID = awstest.Region, aws.URL, "moq/{{.Relay}}"
	o.awsCalls = aws.Calls
	o.put(t, "aws-credentials", awsKeys)
	awsEnvironment(t, o)
	disk := file.NewConfig()
	disk.Path = o.path("{{.Relay}}.token")
	a := account("a", o.path("token"), 1200)
	a.APIURL = cloudflareFor(t, a.AccountID)
	o.cfg = &config.Config{
		Accounts: map[string]*config.Account{"main": a},
		Sinks:    map[string]sinks.Spec{"disk": disk, "vault": o.vault, "aws": o.aws},
	}
	return o
}

const awsKeys = "[default]\naws_access_key_id = " + awstest.AccessKeyID + "\naws_secret_access_key = " + awstest.SecretAccessKey + "\n"

func cloudflareFor(t *testing.T, accountID string) string {
	t.Helper()
	sim := cfsim.New(cfsim.Options{})
	sim.AddAccount(accountID, cfsim.Both)
	sim.AddAPIToken("a-token", cfsim.Edit, accountID)
	sim.AddRelay(accountID, relayID, "live")
	s := httptest.NewServer(sim)
	t.Cleanup(s.Close)
	return s.URL + "/client/v4"
}

// answerLikeAnEmptyVault knows every token and holds no secret.
func answerLikeAnEmptyVault(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/lookup-self"):
		_, _ = w.Write([]byte(`{"data": {"ttl": 0, "renewable": false}}`))
	case strings.Contains(r.URL.Path, "/ui/mounts/"):
		_, _ = w.Write([]byte(`{"data": {"type": "kv", "path": "secret/", "options": {"version": "2"}}}`))
	case strings.HasSuffix(r.URL.Path, "/capabilities-self"):
		_, _ = w.Write([]byte(`{"data": {"secret/data/moq/live": ["root"]}}`))
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors": []}`))
	}
}

// awsEnvironment points the SDK at this world alone.
func awsEnvironment(t *testing.T, o *opening) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "",
		"AWS_CONFIG_FILE": o.path("aws-config"), "AWS_SHARED_CREDENTIALS_FILE": o.path("aws-credentials"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "",
	} {
		t.Setenv(name, value)
	}
}

func (o *opening) path(name string) string { return filepath.Join(o.dir, name) }

func (o *opening) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(o.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// environ opens the world as main does: in the environment that the test has set.
func (o *opening) open(t *testing.T) *ports {
	t.Helper()
	p, err := openPorts(t.Context(), o.cfg, nil, surroundings{environment: takeEnvironment(), metrics: metrics.New(metrics.Options{})})
	if err != nil {
		t.Fatalf("one part's trouble ends all: %v", err)
	}
	t.Cleanup(func() { _ = p.closeBut(nil) })
	return p
}

// try uses one part and tells what came of it.
func try(t *testing.T, p *ports, part string) error {
	t.Helper()
	switch part {
	case "main":
		_, err := p.byName["main"].Relay(t.Context(), moq.Priority{}, relayID)
		return err
	case "disk":
		_, err := p.sinks["disk"].Probe(t.Context(), filepath.Join(t.TempDir(), "live.token"), sinks.ProbeOptions{Read: true})
		return err
	}
	_, err := p.sinks[part].Probe(t.Context(), "moq/live", sinks.ProbeOptions{Read: true})
	return err
}

// wantTrouble demands that part alone is in trouble, and says each of says.
func wantTrouble(t *testing.T, p *ports, part string, says ...string) {
	t.Helper()
	found := p.troubles
	if len(found) != 1 || found[0].name != part {
		t.Fatalf("troubles: %v, want one of %s", found, part)
	}
	for _, each := range []string{"main", "disk", "vault", "aws"} {
		err := try(t, p, each)
		if (err != nil) != (each == part) {
			t.Errorf("%s: %v", each, err)
		}
		for _, want := range says {
			if each == part && err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", each, err, want)
			}
		}
	}
	for _, want := range says {
		if !strings.Contains(found[0].err.Error(), want) {
			t.Errorf("told at start: %q lacks %q", found[0].err, want)
		}
	}
}

// wantWorking demands that part works before the test's time is up.
func wantWorking(t *testing.T, p *ports, part string) {
	t.Helper()
	err := try(t, p, part)
	for err != nil && t.Context().Err() == nil {
		err = try(t, p, part)
	}
	if err != nil {
		t.Errorf("%s does not recover: %v", part, err)
	}
}

func TestWhatOnePartLacksIsItsOwnTroubleAndEndsWhenItIsThere(t *testing.T) {
	for _, c := range []struct {
		name, part string
		spoil      func(*testing.T, *opening)
		says       []string
		mend       func(*testing.T, *opening) // nil: it takes a new start
	}{
		{"no variable of an API token", "main", func(_ *testing.T, o *opening) {
			o.cfg.Accounts["main"].APIToken = secret.Source{Env: unsetVariable}
		}, []string{unsetVariable, "not set", "start rotatord anew"}, nil},
		{"no file of an API token", "main", func(_ *testing.T, o *opening) {
			o.cfg.Accounts["main"].APIToken = secret.Source{File: o.path("later")}
		}, []string{"later", "no such file"}, func(t *testing.T, o *opening) { o.put(t, "later", "a-token") }},
		{"no variable of a Vault token", "vault", func(_ *testing.T, o *opening) {
			o.vault.Auth.Token = &secret.Source{Env: unsetVariable}
		}, []string{unsetVariable, "not set", "start rotatord anew"}, nil},
		{"no variable of a secret id", "vault", func(_ *testing.T, o *opening) {
			o.vault.Auth = vault.Auth{AppRole: &vault.AppRole{RoleID: "r", SecretID: secret.Source{Env: unsetVariable}}}
		}, []string{unsetVariable, "not set"}, nil},
		{"no variable of a JWT", "vault", func(_ *testing.T, o *opening) {
			o.vault.Auth = vault.Auth{JWT: &vault.JWT{Token: secret.Source{Env: unsetVariable}}}
		}, []string{unsetVariable, "not set"}, nil},
		{"no ca_file", "vault", func(_ *testing.T, o *opening) { _ = os.Rename(o.path("ca.pem"), o.path("aside")) },
			[]string{"ca_file", "ca.pem"}, func(_ *testing.T, o *opening) { _ = os.Rename(o.path("aside"), o.path("ca.pem")) }},
		{"a ca_file that holds none", "vault", func(t *testing.T, o *opening) {
			_ = os.Rename(o.path("ca.pem"), o.path("aside"))
			o.put(t, "ca.pem", "-----BEGIN CERT")
		}, []string{"ca.pem"}, func(_ *testing.T, o *opening) { _ = os.Rename(o.path("aside"), o.path("ca.pem")) }},
		{"no address", "vault", func(_ *testing.T, o *opening) { o.vault.Address = "" }, []string{"VAULT_ADDR"}, nil},
		{"an address without a scheme", "vault", func(t *testing.T, o *opening) {
			o.vault.Address = ""
			t.Setenv("VAULT_ADDR", "vault.example:8200")
		}, []string{"VAULT_ADDR"}, nil},
		{"no CA of the environment", "vault", func(t *testing.T, o *opening) {
			o.vault.Address, o.vault.CAFile = "", ""
			t.Setenv("VAULT_ADDR", o.vaultURL)
			t.Setenv("VAULT_CACERT", o.path("later.pem"))
		}, []string{"later.pem"}, func(_ *testing.T, o *opening) { _ = os.Rename(o.path("ca.pem"), o.path("later.pem")) }},
		{"no AWS profile", "aws", func(t *testing.T, _ *opening) { t.Setenv("AWS_PROFILE", "video") },
			[]string{"AWS_PROFILE", "video", "aws-credentials"}, func(t *testing.T, o *opening) {
				o.put(t, "aws-credentials", strings.Replace(awsKeys, "default", "video", 1))
			}},
		{"no AWS CA bundle", "aws", func(t *testing.T, o *opening) { t.Setenv("AWS_CA_BUNDLE", o.path("bundle")) },
			[]string{"AWS_CA_BUNDLE", "bundle"}, func(_ *testing.T, o *opening) { _ = os.Rename(o.path("ca.pem"), o.path("bundle")) }},
		{"a value that AWS's SDK cannot read", "aws", func(t *testing.T, _ *opening) { t.Setenv("AWS_MAX_ATTEMPTS", "abc") },
			[]string{"AWS_MAX_ATTEMPTS", "when rotatord starts"}, nil},
		{"a shared file that is half written", "aws", func(t *testing.T, o *opening) {
			o.put(t, "aws-credentials", awsKeys[:strings.Index(awsKeys, "aws_secret")])
		}, []string{"aws-credentials"}, func(t *testing.T, o *opening) { o.put(t, "aws-credentials", awsKeys) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOpening(t)
			c.spoil(t, o)
			p := o.open(t)
			wantTrouble(t, p, c.part, c.says...)
			if c.mend != nil {
				c.mend(t, o)
				wantWorking(t, p, c.part)
			}
		})
	}
}

func TestAllPartsOpen(t *testing.T) {
	p := newOpening(t).open(t)
	if found := p.troubles; len(found) > 0 {
		t.Errorf("troubles: %v", found)
	}
	for _, part := range []string{"main", "disk", "vault", "aws"} {
		if err := try(t, p, part); err != nil {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// vaultNames are the variables that Vault's client declares, in its source.
func vaultNames(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/hashicorp/vault/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source: %v", err)
	}
	names := map[string]bool{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(VAULT_[A-Z0-9_]+)"`).FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
	}
	if len(names) < 20 || !names["VAULT_MAX_RETRIES"] {
		t.Fatalf("only %d names were found: the test cannot fail", len(names))
	}
	return slices.Sorted(maps.Keys(names))
}

func TestNoVariableOfVaultHasAnEffectWhereTheAddressIsInTheFile(t *testing.T) {
	for _, name := range vaultNames(t) {
		for _, value := range []string{"abc", "-1", "true", "1s", "/nowhere/file", "http://127.0.0.1:1", `{"X-Other": "1"}`, "1:x"} {
			t.Run(name+"="+value, func(t *testing.T) {
				o := newOpening(t)
				t.Setenv(name, value)
				p := o.open(t)
				if found := p.troubles; len(found) > 0 {
					t.Errorf("troubles: %v", found)
				}
				if err := try(t, p, "vault"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestTheEnvironmentIsReadOnceAndVaultsPartOfItIsTakenOut(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "s.canary")
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("ROTATORD_TEST_OTHER", "stays")
	e := takeEnvironment()
	for _, name := range []string{"VAULT_TOKEN", "VAULT_ADDR"} {
		if _, there := os.LookupEnv(name); there {
			t.Errorf("%s is still there", name)
		}
		if !slices.Contains(e.withheld, name) {
			t.Errorf("%s is not said to be withheld: %q", name, e.withheld)
		}
	}
	t.Setenv("ROTATORD_TEST_OTHER", "changed")
	if v, err := (secret.Source{Env: "VAULT_TOKEN"}).Read(e.Environment); err != nil || v.Reveal() != "s.canary" {
		t.Errorf("VAULT_TOKEN as a secret: %v", err)
	}
	if e.Get("ROTATORD_TEST_OTHER") != "stays" {
		t.Error("a variable was read later than at start")
	}
}

func TestAProcessThatGivesAWSCredentialsIsToldToMissVaultsVariables(t *testing.T) {
	for name, c := range map[string]struct {
		variable, config string
		warned           bool
	}{
		"a process, and a variable": {"VAULT_ADDR", "[default]\ncredential_process = /bin/false\n", true},
		"under a role":              {"VAULT_ADDR", "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = p\n[profile p]\ncredential_process = /bin/false\n", true},
		"no variable":               {"ROTATORD_TEST_OTHER", "[default]\ncredential_process = /bin/false\n", false},
		"no process":                {"VAULT_ADDR", "[default]\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOpening(t)
			o.put(t, "aws-config", c.config)
			o.put(t, "aws-credentials", "")
			t.Setenv(c.variable, "x")
			var warnings []string
			in := surroundings{environment: takeEnvironment(), metrics: metrics.New(metrics.Options{}), warn: func(text string) { warnings = append(warnings, text) }}
			p, err := openPorts(t.Context(), o.cfg, nil, in)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.closeBut(nil) }()
			warned := len(warnings) == 1 && strings.Contains(warnings[0], "sink aws") && strings.Contains(warnings[0], c.variable)
			if warned != c.warned || len(warnings) > 1 {
				t.Errorf("warnings: %q, want one: %t", warnings, c.warned)
			}
		})
	}
}

func TestAReloadWithASinkThatCannotBeOpenedIsASuccessThatSaysSo(t *testing.T) {
	o := newOpening(t)
	o.vault.CAFile = o.path("gone.pem")
	o.cfg.State.Path, o.cfg.Instance = o.path("state"), "default"
	sees, lines := observer.New(zapcore.WarnLevel)
	d := newDaemon("config.yaml", o.cfg, takeEnvironment(), logging.New(io.Discard))
	d.log = zap.New(sees)
	wantToldOnce := func(when string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		told := slices.DeleteFunc(lines.TakeAll(), func(l observer.LoggedEntry) bool { return l.ContextMap()["sink"] != "vault" })
		if len(told) != 1 || !strings.Contains(fmt.Sprint(told[0].ContextMap()["error"]), "gone.pem") {
			t.Errorf("%s: %v", when, told)
		}
	}
	wantToldOnce("at start", d.open(t.Context(), o.cfg))
	defer func() { _ = d.close(context.Background()) }()
	found, err := d.adopt(t.Context(), o.cfg, nil, d.core.Load().engine)
	wantToldOnce("at a reload", err)
	if len(found) != 1 {
		t.Errorf("the reload found %v", found)
	}
	if up := scrape(d, `rotatord_sink_up{sink="vault"}`); up != "0" {
		t.Errorf("sink_up is %q", up)
	}
}

func TestAReloadHasKeptSinksReadAgainWhatLiesOnDisk(t *testing.T) {
	o := newOpening(t)
	o.cfg.State.Path, o.cfg.Instance = o.path("state"), "default"
	o.put(t, "aws-credentials", strings.Replace(awsKeys, awstest.AccessKeyID, "AKIAOLD", 1))
	sees, lines := observer.New(zapcore.WarnLevel)
	d := newDaemon("config.yaml", o.cfg, takeEnvironment(), logging.New(io.Discard))
	d.log = zap.New(sees)
	if err := d.open(t.Context(), o.cfg); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.close(context.Background()) }()
	before := d.ports.Load().sinks["aws"]
	reload := func() []trouble {
		found, err := d.adopt(t.Context(), o.cfg, nil, d.core.Load().engine)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}

	same := func() bool { return d.ports.Load().sinks["aws"] == before }
	if found := reload(); len(found) > 0 || !same() {
		t.Errorf("troubles: %v; nothing changed, and those who wait are let go: %t", found, !same())
	}
	o.put(t, "aws-credentials", awsKeys)
	if found := reload(); len(found) > 0 || same() {
		t.Errorf("troubles: %v; the keys changed, and those who waited are let go: %t", found, !same())
	}
	if err := try(t, d.ports.Load(), "aws"); err != nil || len(o.awsCalls()) != 1 {
		t.Errorf("%v; calls: %q, want one, with the new keys", err, o.awsCalls())
	}

	o.put(t, "aws-credentials", "[defau")
	_ = lines.TakeAll()
	if found := reload(); len(found) != 1 || found[0].name != "aws" || !found[0].works {
		t.Errorf("troubles: %v, want one of a sink that works", found)
	}
	if told := lines.TakeAll(); len(told) != 1 || !strings.Contains(told[0].Message, "what was read before stays in use") {
		t.Errorf("told: %v", told)
	}
	if err := try(t, d.ports.Load(), "aws"); err != nil {
		t.Errorf("with a file that is half written: %v", err)
	}
	if up := scrape(d, `rotatord_sink_up{sink="aws"}`); up != "1" {
		t.Errorf("sink_up is %q", up)
	}
}

// scrape gives the value of one series; "" when it is not there.
func scrape(d *daemon, series string) string {
	w := httptest.NewRecorder()
	d.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	_, rest, _ := strings.Cut(w.Body.String(), "\n"+series+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}
