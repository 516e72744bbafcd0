package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
)

// full holds every struct of the configuration at least once.
const full = `instance: default
state: {path: /s, identity_file: /i}
server: {listen: '127.0.0.1:1', web_config_file: '', admin_socket: /a, admin_socket_mode: '0600', admin_socket_group: g}
log: {level: info, format: json}
metrics: {per_slot: true}
accounts:
  main:
    account_id: 023e105f4ecef8ad9ca31a8372d0c353
    api_token: {env: CLOUDFLARE_API_TOKEN}
    api_url: https://api.cloudflare.com/client/v4
    rate_limit: {requests: 1200, per: 5m, share: 0.5}
sinks:
  disk: {type: file, path: '/moq/{{.Relay}}/{{.Type}}', fields: {a: b}, cas: [x], kv_version: 2, auth: {token: {file: /t}, role: r}}
defaults:
  {account: main, schedule: 0 4 * * 1, timezone: UTC, jitter: 0s, strategy: overlap, initial: now, catch_up: true, grace: 12h, lifetime: 720h, verify: true, sinks: [{sink: disk}]}
relays:
  live-main:
    id: a1b2c3d4e5f67890a1b2c3d4e5f67890
    account: main
    labels: {team: video}
    retire: own
    sinks: [{sink: disk}]
    tokens:
      publish_subscribe: {retire: own, sinks: [{sink: disk}]}
      subscribe: {grace: 1h, sinks: [{sink: disk, path: /x, required: true}]}
`

// withEtcd is full with the one struct that is decoded and then refused.
var withEtcd = strings.Replace(full, "path: /s,", "path: /s, etcd: {endpoints: [a], password: {env: P}},", 1)

func TestAnUnknownKeyIsRefusedInEveryStruct(t *testing.T) {
	parse(t, full)
	paths := structPaths(reflect.TypeFor[Config](), "$")
	if len(paths) < 20 {
		t.Fatalf("only %d structs were found: %v", len(paths), paths)
	}
	for _, at := range paths {
		t.Run(at, func(t *testing.T) {
			text, line := withUnknownKey(t, withEtcd, at)
			got := faultsOf(t, text)
			if !strings.Contains(got, fmt.Sprintf("config.yaml:%d:", line)) || !strings.Contains(got, ": unknown key (") {
				t.Errorf("an unknown key gives:\n%s", got)
			}
		})
	}
}

// sample names one member of each mapping whose keys the user chooses.
var sample = map[string]string{"$.accounts": "main", "$.sinks": "disk", "$.relays": "live-main"}

// structPaths finds every place of the configuration's types where a struct stands.
func structPaths(t reflect.Type, at string) []string {
	switch t.Kind() {
	case reflect.Interface:
		return structPaths(reflect.TypeFor[fakeSink](), at)
	case reflect.Pointer:
		return structPaths(t.Elem(), at)
	case reflect.Slice:
		return structPaths(t.Elem(), at+"[0]")
	case reflect.Map:
		return structPaths(t.Elem(), at+"."+sample[at])
	case reflect.Struct:
		out := []string{at}
		for key, f := range structFields(t).byKey {
			out = append(out, structPaths(t.FieldByIndex(f.index).Type, at+"."+key)...)
		}
		slices.Sort(out)
		return out
	}
	return nil
}

// withUnknownKey adds a key to the mapping at path, and says on which line.
func withUnknownKey(t *testing.T, text, path string) (string, int) {
	t.Helper()
	root, err := parseText([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range ast.Filter(ast.MappingType, root) {
		m := n.(*ast.MappingNode)
		if m.GetPath() != path {
			continue
		}
		lines := strings.Split(text, "\n")
		first := m.Values[0].Key.GetToken().Position
		line := lines[first.Line-1]
		added := line[:first.Column-1] + "zzzzzz: 1, " + line[first.Column-1:]
		if !m.IsFlowStyle {
			added = strings.Repeat(" ", first.Column-1) + "zzzzzz: 1\n" + line
		}
		lines[first.Line-1] = added
		return strings.Join(lines, "\n"), first.Line
	}
	t.Fatalf("nothing stands at %s", path)
	return "", 0
}

func TestAFaultNeverRepeatsAValue(t *testing.T) {
	const canary = "Canary-s3cret.VALUE"
	root, err := parseText([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	values := scalars(root)
	if len(values) < 40 {
		t.Fatalf("only %d values were found", len(values))
	}
	for _, n := range values {
		for _, pasted := range []string{canary, "'" + canary + "'", "[" + canary + "]", "{" + canary + ": }", "{a: " + canary + "}", "\"" + canary, "[" + canary, "|" + canary, "!" + canary, "*" + canary} {
			text := replaceAt(full, n, pasted)
			if !strings.Contains(text, canary) {
				t.Fatalf("the canary is not in the input")
			}
			_, err := Parse("config.yaml", []byte(text), fakeSpecs())
			if err != nil && strings.Contains(err.Error(), canary) && !isWordOfTheUser(n, pasted) {
				t.Errorf("%s written as %s is repeated:\n%v", n.GetPath(), pasted, err)
			}
		}
	}
}

// isWordOfTheUser tells what may be repeated: keys that are no secrets, and schedules.
func isWordOfTheUser(n ast.Node, pasted string) bool {
	return strings.HasPrefix(pasted, "{") && !strings.HasSuffix(n.GetPath(), "api_token.env") && !strings.HasSuffix(n.GetPath(), "auth.token.file") ||
		strings.HasSuffix(n.GetPath(), ".schedule")
}

func scalars(root ast.Node) []ast.Node {
	var out []ast.Node
	for _, m := range ast.Filter(ast.MappingType, root) {
		for _, v := range m.(*ast.MappingNode).Values {
			if _, ok := scalarText(v.Value); ok {
				out = append(out, v.Value)
			}
		}
	}
	return out
}

func replaceAt(text string, n ast.Node, with string) string {
	lines := strings.Split(text, "\n")
	tok := n.GetToken()
	line := lines[tok.Position.Line-1]
	rest := line[tok.Position.Column-1:]
	old := strings.TrimSpace(tok.Origin)
	if !strings.HasPrefix(rest, old) {
		panic(fmt.Sprintf("%q is not at %q", old, rest))
	}
	lines[tok.Position.Line-1] = line[:tok.Position.Column-1] + with + rest[len(old):]
	return strings.Join(lines, "\n")
}

func TestASecretInPlaceOfItsSourceIsNotRepeated(t *testing.T) {
	const canary = "v1.0-Canary-s3cret"
	for _, pasted := range []string{canary, "'" + canary + "'", "[" + canary + "]", "{" + canary + ": }", "{" + canary + ": x}", "{" + canary + "}",
		"{env: " + canary + "}", "{env: [" + canary + "]}", "{file: {" + canary + ": }, env: A}", "{? {" + canary + ": } : a}", "{" + canary + ": , " + canary + ": }"} {
		text := change(t, "{env: CLOUDFLARE_API_TOKEN}", pasted)
		if got := faultsOf(t, text); strings.Contains(got, canary) {
			t.Errorf("api_token: %s is repeated:\n%s", pasted, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		base, full, "", "a: &a [*a]", "<<: {instance: x}", "relays: {a: &x {<<: [*x, *x]}}", "? [a]\n: b", "- - - a", "instance: !!str\n",
		"instance: |\n  a\n", "\ufeffa: 1", "a:\n\tb: 1", "{a: {b: [c", "a: 'b", "%TAG ! x\n---\na", "...\n---\n", "&a : b", "*a : b", "a: &b\nc: *b", "!!map {a: b}",
		"state: {etcd: {password: {env: X}}}", "sinks: {a: {type: file, <<: {path: x}}}",
	} {
		f.Add([]byte(seed))
	}
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("config.yaml", data, fakeSpecs())
		if (cfg == nil) != (err != nil) {
			t.Fatalf("config %v with error %v", cfg, err)
		}
		faults, ok := err.(Faults)
		if err != nil && !ok {
			t.Fatalf("the error is a %T", err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, fault := range faults {
			if fault.Line < 1 || fault.Line > lines || fault.Column < 1 || fault.Text == "" {
				t.Errorf("a fault without a place: %+v", fault)
			}
		}
	})
}
