package vault

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Auth says how rotatord proves to Vault who it is: exactly one field is set.
type Auth struct {
	// A token; renewed while Vault allows it; a file is read at each use.
	Token *secret.Source `yaml:"token"`
	// A role id and a secret id.
	AppRole *AppRole `yaml:"approle"`
	// The pod's service account.
	Kubernetes *Kubernetes `yaml:"kubernetes"`
	// A signed token of another issuer.
	JWT *JWT `yaml:"jwt"`
	// A TLS client certificate; its files are read at each handshake.
	Cert *Cert `yaml:"cert"`
}

// AppRole logs in with a role id and a secret id.
type AppRole struct {
	RoleID   string        `yaml:"role_id" jsonschema:"required"`
	SecretID secret.Source `yaml:"secret_id" jsonschema:"required"`
	Mount    string        `yaml:"mount" jsonschema:"default=approle"`
}

// Kubernetes logs in with the pod's service account.
type Kubernetes struct {
	Role string `yaml:"role" jsonschema:"required"`
	// The service account's token; read at each login.
	TokenFile string `yaml:"token_file" jsonschema:"default=/var/run/secrets/kubernetes.io/serviceaccount/token"`
	Mount     string `yaml:"mount" jsonschema:"default=kubernetes"`
}

// JWT logs in with a signed token of another issuer.
type JWT struct {
	// Absent: the mount's default role.
	Role  string        `yaml:"role"`
	Token secret.Source `yaml:"token" jsonschema:"required"`
	Mount string        `yaml:"mount" jsonschema:"default=jwt"`
}

// Cert logs in with a TLS client certificate; its files are read at each handshake.
type Cert struct {
	CertFile string `yaml:"cert_file" jsonschema:"required"`
	KeyFile  string `yaml:"key_file" jsonschema:"required"`
	// Absent: Vault tries every role that trusts the certificate.
	Role  string `yaml:"role"`
	Mount string `yaml:"mount" jsonschema:"default=cert"`
}

// method is one way to log in.
type method interface {
	diagnostics() []sinks.Diagnostic
	// sources are the secrets that it logs in with.
	sources() []secret.Source
	// account is where and as whom it logs in with credential, below Vault's address and namespace.
	account(credential secret.Value) string
	// credential reads the secret that the next login shows.
	credential(env secret.Environment) (secret.Value, error)
	// login obtains a token by showing credential. c has no token; it is login's to set one.
	login(ctx context.Context, c *api.Client, credential secret.Value) (*api.Secret, error)
	// logsIn reports whether login has Vault make a token, which is given back in the end.
	logsIn() bool
	// current reports whether token is still the one to use, as far as can be told
	// without asking Vault.
	current(token secret.Value, env secret.Environment) bool
}

// chosen is a method with its key in the configuration.
type chosen struct {
	key string
	method
}

// missingVariable tells of a variable that is not set. What a file lacks may come, and
// shows at the login; a variable cannot.
func (c chosen) missingVariable(env secret.Environment) error {
	for _, s := range c.sources() {
		if s.Env == "" {
			continue
		}
		if _, err := s.Read(env); err != nil {
			return unreadableSource(s, err)
		}
	}
	return nil
}

func (a *Auth) chosenMethods() []chosen {
	var out []chosen
	if a.Token != nil {
		out = append(out, chosen{"token", &static{*a.Token}})
	}
	if a.AppRole != nil {
		out = append(out, chosen{"approle", a.AppRole})
	}
	if a.Kubernetes != nil {
		out = append(out, chosen{"kubernetes", a.Kubernetes})
	}
	if a.JWT != nil {
		out = append(out, chosen{"jwt", a.JWT})
	}
	if a.Cert != nil {
		out = append(out, chosen{"cert", a.Cert})
	}
	return out
}

func (a *Auth) diagnostics() []sinks.Diagnostic {
	all := a.chosenMethods()
	if len(all) != 1 {
		return []sinks.Diagnostic{{
			Key: "auth", Text: "exactly one method must be given", Hint: "token, approle, kubernetes, jwt or cert",
			Missing: len(all) == 0,
		}}
	}
	var out []sinks.Diagnostic
	for _, p := range all[0].diagnostics() {
		p.Key = strings.TrimSuffix("auth."+all[0].key+"."+p.Key, ".")
		out = append(out, p)
	}
	return out
}

func (s *static) diagnostics() []sinks.Diagnostic { return diagnoseSource("", s.source) }

func (m *AppRole) diagnostics() []sinks.Diagnostic {
	return slices.Concat(diagnoseMissing("role_id", m.RoleID), diagnoseSource("secret_id", m.SecretID), diagnoseMount(m.Mount))
}

func (m *Kubernetes) diagnostics() []sinks.Diagnostic {
	return slices.Concat(diagnoseMissing("role", m.Role), diagnoseMount(m.Mount))
}

func (m *JWT) diagnostics() []sinks.Diagnostic {
	return slices.Concat(diagnoseSource("token", m.Token), diagnoseMount(m.Mount))
}

func (m *Cert) diagnostics() []sinks.Diagnostic {
	return slices.Concat(diagnoseMissing("cert_file", m.CertFile), diagnoseMissing("key_file", m.KeyFile), diagnoseMount(m.Mount))
}

func diagnoseSource(key string, s secret.Source) []sinks.Diagnostic {
	below, text, hint := s.WhatIsWrong()
	if text == "" {
		return nil
	}
	return []sinks.Diagnostic{{Key: strings.Trim(key+"."+below, "."), Text: text, Hint: hint}}
}

func diagnoseAt(key, text string) []sinks.Diagnostic {
	if text == "" {
		return nil
	}
	return []sinks.Diagnostic{{Key: key, Text: text}}
}

func diagnoseMissing(key, value string) []sinks.Diagnostic {
	if value != "" {
		return nil
	}
	return diagnoseAt(key, "missing")
}

func diagnoseMount(mount string) []sinks.Diagnostic {
	if mount == "" {
		return nil
	}
	if err := checkPath(trimSlashes(mount)); err != nil {
		return diagnoseAt("mount", err.Error())
	}
	return nil
}

// trimSlashes returns a mount as it stands in a path.
func trimSlashes(mount string) string { return strings.Trim(mount, "/") }
