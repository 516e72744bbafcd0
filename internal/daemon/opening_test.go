package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/vault"
)

// try uses one part and tells what came of it.
func try(t *testing.T, p *backends, part string) error {
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
func wantTrouble(t *testing.T, p *backends, part string, says ...string) {
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
func wantWorking(t *testing.T, p *backends, part string) {
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
			in := opener{env: TakeEnvironment(), metrics: metrics.New(metrics.Options{}), warn: func(text string) { warnings = append(warnings, text) }}
			p, err := in.open(t.Context(), o.cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.closeExcept(nil) }()
			warned := len(warnings) == 1 && strings.Contains(warnings[0], "sink aws") && strings.Contains(warnings[0], c.variable)
			if warned != c.warned || len(warnings) > 1 {
				t.Errorf("warnings: %q, want one: %t", warnings, c.warned)
			}
		})
	}
}
