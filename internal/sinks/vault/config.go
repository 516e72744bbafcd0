// Package vault is the sink that keeps each value in a secret of HashiCorp Vault's KV engine,
// version 1 or 2.
//
// A session keeps one login for all calls: it logs in when it is first needed, by one of the
// methods in login.go, renews the token in the background, and logs in again when that ends or is
// refused (session.go, renew.go). A write names the version that it saw (check-and-set), and reads
// again where another writer was faster; with `write: merge` it keeps fields that are not ours
// (sink.go, kv.go). Before the first call the mount is looked at, because a write in the wrong
// version's form may succeed at the wrong place (mount.go). A probe asks for the token's
// capabilities, and tries what those do not tell (probe.go). The API client comes from Vault; where
// it may be led to is said by redirect.go, what Vault's answers mean by meanings.go.
package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Type is the sink's name in the configuration.
const Type = "vault"

// Config is a Vault sink's configuration.
//
// With KV version 1 there is no check-and-set: write: merge then reads, changes
// and writes back, and another writer may come in between.
type Config struct {
	sinks.Common `yaml:",inline"`

	// Absent: VAULT_ADDR, and VAULT_NAMESPACE and VAULT_CACERT where namespace and ca_file are absent.
	Address string `yaml:"address"`
	// Vault Enterprise namespace.
	Namespace string `yaml:"namespace"`
	// PEM file of the authorities that sign Vault's certificate, instead of the system's.
	CAFile string `yaml:"ca_file" digest:"-"`
	// host[:port] that a 307 or 308 of Vault may point to, with no wildcards; without a port any. The address's own
	// host and port always may.
	RedirectHosts []string `yaml:"redirect_hosts"`
	// Where the KV engine is mounted.
	Mount string `yaml:"mount" jsonschema:"default=secret"`
	// Version of the KV engine.
	KVVersion int `yaml:"kv_version" jsonschema:"enum=1,enum=2,default=2"`
	// Template of the secret's path below the mount.
	Path string `yaml:"path" jsonschema:"required"`
	// Template of each field; absent: every field of the record.
	Fields map[string]string `yaml:"fields"`
	// What becomes of the secret's other fields.
	WriteMode WriteMode `yaml:"write" jsonschema:"enum=replace,enum=merge,default=replace"`
	// Check-and-set (KV version 2).
	CAS bool `yaml:"cas" jsonschema:"default=true"`
	// How rotatord proves who it is: exactly one of the keys.
	Auth Auth `yaml:"auth" jsonschema:"required" digest:"-"`
}

// WriteMode says what becomes of fields that are not ours.
type WriteMode string

// The modes.
const (
	Replace WriteMode = "replace" // the secret holds our fields and no others
	Merge   WriteMode = "merge"   // others' fields stay
)

// NewConfig returns a configuration with the documented defaults.
func NewConfig() *Config {
	return &Config{
		Common: sinks.DefaultCommon(Type), Mount: "secret", KVVersion: 2, WriteMode: Replace, CAS: true,
	}
}

// Diagnostics lists what is wrong with c. It reads no environment.
func (c *Config) Diagnostics() []sinks.Diagnostic {
	var out []sinks.Diagnostic
	if c.Address != "" {
		out = append(out, c.addressDiagnostics(c.Address)...)
	}
	out = append(out, c.redirectDiagnostics()...)
	if err := checkPath(c.mountPath()); err != nil {
		out = append(out, sinks.Diagnostic{Key: "mount", Text: err.Error(), Hint: `such as "secret"`})
	}
	if c.KVVersion != 1 && c.KVVersion != 2 {
		out = append(out, sinks.Diagnostic{Key: "kv_version", Text: fmt.Sprintf("unknown version %d", c.KVVersion), Hint: "1 or 2"})
	}
	if c.WriteMode != Replace && c.WriteMode != Merge {
		out = append(out, sinks.Diagnostic{Key: "write", Text: fmt.Sprintf("unknown mode %q", string(c.WriteMode)), Hint: "replace or merge"})
	}
	out = append(out, sinks.TargetDiagnostics("path", c.Path, func(target string) (string, error) { return target, checkPath(target) })...)
	out = append(out, c.fieldDiagnostics()...)
	return append(out, c.Auth.diagnostics()...)
}

func (c *Config) fieldDiagnostics() []sinks.Diagnostic {
	var out []sinks.Diagnostic
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		_, err := new(sinks.Templates).RenderRecord(c.Fields[name], sampleRecord())
		if strings.TrimSpace(name) == "" {
			err = fmt.Errorf("a field needs a name")
		}
		if err != nil {
			out = append(out, sinks.Diagnostic{Key: "fields." + name, Text: err.Error()})
		}
	}
	if len(out) == 0 && len(c.Fields) > 0 && c.isBlind() {
		out = append(out, sinks.Diagnostic{Key: "fields", Missing: true, Text: "no field holds the token", Hint: `such as token: "{{.Token}}"`})
	}
	return out
}

// isBlind reports whether records of different tokens give the same fields:
// rotatord would then revoke tokens that nobody was given a successor of.
func (c *Config) isBlind() bool {
	t, one, other := new(sinks.Templates), sampleRecord(), sampleRecord()
	other.Token = secret.New(one.Token.Reveal() + "b")
	a, errA := c.Render(t, one)
	b, errB := c.Render(t, other)
	return errA == nil && errB == nil && a.Equal(b)
}

func sampleRecord() sinks.Record { return sinks.Trial(sinks.SampleNames(), sinks.TrialSize, false) }

// Render returns the fields as a JSON object with sorted keys.
func (c *Config) Render(t *sinks.Templates, r sinks.Record) (secret.Value, error) {
	v, err := fieldTemplates(c.Fields).render(t, r)
	if err == nil && r.Token.IsEmpty() {
		err = errors.New("the token's value is empty")
	}
	if err != nil {
		return secret.Value{}, &fault.Error{
			Class: fault.Permanent, Reason: fault.Invalid, Op: "render", Object: r.Relay + "/" + r.Type, Err: err,
			Hint: "correct the sink's fields",
		}
	}
	return v, nil
}

// MaxContent implements sinks.Spec.
func (c *Config) MaxContent() int { return maxSize }

// TargetTemplate returns the template of the secret's path below the mount.
func (c *Config) TargetTemplate() string { return c.Path }

// Locate returns vault+<scheme>://host[:port]/[namespace/]mount/path. Without an
// address in the configuration it is vault://default-env/….
func (c *Config) Locate(target string) (string, error) {
	if err := checkPath(target); err != nil {
		return "", err
	}
	at := &url.URL{Scheme: "vault", Host: "default-env"}
	if c.Address != "" {
		u, err := parseAddress(c.Address)
		if err != nil {
			return "", err
		}
		at = &url.URL{Scheme: "vault+" + u.Scheme, Host: u.Host, Path: u.Path}
	}
	at.Path = path.Join("/", at.Path, trimSlashes(c.Namespace), c.mountPath(), target)
	return at.String(), nil
}

// Open builds the sink. It reads ca_file, and the environment where the
// configuration says so; it does not call Vault.
func (c *Config) Open(_ context.Context, o sinks.OpenOptions) (sinks.Sink, error) {
	s, err := c.open(o)
	if err != nil {
		return nil, openingError(o.Name, err)
	}
	return s, nil
}

func (c *Config) mountPath() string { return trimSlashes(c.Mount) }
