package config

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// fakeSink stands for every kind of sink: a target, a secret below another
// key, a list and a map.
type fakeSink struct {
	sinks.Common `yaml:",inline"`

	Path   string            `yaml:"path" jsonschema:"required"`
	Fields map[string]string `yaml:"fields"`
	Auth   *fakeAuth         `yaml:"auth"`
	CAs    []string          `yaml:"cas"`
	KV     int               `yaml:"kv_version"`
}

type fakeAuth struct {
	Token secret.Source `yaml:"token" jsonschema:"required"`
	Role  string        `yaml:"role"`
}

func (s *fakeSink) Diagnostics() []sinks.Diagnostic {
	if s.Auth != nil {
		if _, text, _ := s.Auth.Token.WhatIsWrong(); text != "" {
			return []sinks.Diagnostic{{Key: "auth.token", Text: text, Hint: "say where it is"}}
		}
	}
	if s.KV > 2 {
		return []sinks.Diagnostic{{Key: "kv_version", Text: "is a version nobody knows", Hint: "1 or 2", Warning: true}}
	}
	return nil
}

func (s *fakeSink) TargetTemplate() string { return s.Path }

func (s *fakeSink) Locate(target string) (string, error) {
	if strings.Contains(target, " ") {
		return "", errors.New("a target holds no spaces")
	}
	return s.Type + ":///" + target, nil
}

func (s *fakeSink) Render(t *sinks.Templates, r sinks.Record) (secret.Value, error) {
	if text, ok := s.Fields["content"]; ok {
		return t.RenderRecord(text, r)
	}
	return r.Token, nil
}

// WriteAdvice is given by one kind alone.
func (s *fakeSink) WriteAdvice() sinks.WriteAdvice {
	if s.Type != "aws_secrets_manager" {
		return sinks.WriteAdvice{}
	}
	return sinks.WriteAdvice{Interval: 10 * time.Minute, Text: "its maker advises against that", Hint: "take a rarer schedule"}
}

func (s *fakeSink) MaxContent() int { return 10_000 }

func (s *fakeSink) Open(context.Context, sinks.OpenOptions) (sinks.Sink, error) {
	return nil, errors.New("a fake cannot be opened")
}

func fakeSpecs() map[string]func() sinks.Spec {
	specs := map[string]func() sinks.Spec{}
	for _, kind := range []string{"file", "vault", "aws_secrets_manager"} {
		specs[kind] = func() sinks.Spec { return &fakeSink{Common: sinks.DefaultCommon(kind)} }
	}
	return specs
}

const (
	testAccount = "023e105f4ecef8ad9ca31a8372d0c353"
	testRelay   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
)

// base is a valid configuration; tests add to it or change a part.
const base = `accounts:
  main: {account_id: 023e105f4ecef8ad9ca31a8372d0c353, api_token: {env: CLOUDFLARE_API_TOKEN}}
sinks:
  disk: {type: file, path: "/moq/{{.Relay}}/{{.Type}}"}
  safe: {type: vault, path: "moq/{{.Relay}}/{{.Type}}"}
defaults: {sinks: [disk]}
relays:
  live-main:
    id: a1b2c3d4e5f67890a1b2c3d4e5f67890
    tokens:
      subscribe: {}
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("config.yaml", []byte(text), fakeSpecs())
	if err != nil {
		t.Fatalf("a valid configuration is refused:\n%v", err)
	}
	return cfg
}

// diagnosticsOf are the lines that a wrong configuration is refused with.
func diagnosticsOf(t *testing.T, text string) string {
	t.Helper()
	_, err := Parse("config.yaml", []byte(text), fakeSpecs())
	if err == nil {
		t.Fatal("the configuration is accepted")
	}
	var diagnostics Diagnostics
	if !errors.As(err, &diagnostics) {
		t.Fatalf("the error is no Diagnostics but %T: %v", err, err)
	}
	return err.Error()
}

// change replaces one part of base.
func change(t testing.TB, old, new string) string {
	t.Helper()
	if !strings.Contains(base, old) {
		t.Fatalf("base does not contain %q", old)
	}
	return strings.Replace(base, old, new, 1)
}

// asJSON is a YAML text as one line of JSON.
func asJSON(t testing.TB, text []byte) []byte {
	t.Helper()
	var v any
	if err := yaml.Load(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
