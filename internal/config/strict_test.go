package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

// full holds every struct of the configuration at least once.
const full = `instance: default
state:
  path: /s
  identity_file: /i
  etcd: {endpoints: ['https://e:1'], prefix: /p, ca_file: /c, cert_file: /d, key_file: /e, username: u, password: {env: P}, lease_ttl: 5s}
server: {listen: '127.0.0.1:1', web_config_file: /w, admin_socket: /a, admin_socket_mode: '0600', admin_socket_group: g, advertise: 'https://a:1'}
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
      studio-a: {operations: [publish], sinks: [{sink: disk}]}
`

func TestAnUnknownKeyIsRefusedInEveryStruct(t *testing.T) {
	parse(t, full)
	paths := structPaths(reflect.TypeFor[Config](), "$")
	if len(paths) < 19 {
		t.Fatalf("only %d structs were found: %v", len(paths), paths)
	}
	for _, at := range paths {
		t.Run(at, func(t *testing.T) {
			text, line := withUnknownKey(t, full, at)
			got := diagnosticsOf(t, text)
			if !strings.Contains(got, fmt.Sprintf("config.yaml:%d:", line)) || !strings.Contains(got, ": unknown key (") {
				t.Errorf("an unknown key gives:\n%s", got)
			}
		})
	}
}

// sample names one member of each mapping whose keys the user chooses.
var sample = map[string]string{"$.accounts": "main", "$.sinks": "disk", "$.relays": "live-main",
	"$.relays.live-main.tokens": "studio-a"}

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
	for _, m := range nodesOf(t, text) {
		if m.path != path || m.Kind != yaml.MappingNode {
			continue
		}
		lines := strings.Split(text, "\n")
		first := m.Content[0]
		line := lines[first.Line-1]
		added := line[:first.Column-1] + "zzzzzz: 1, " + line[first.Column-1:]
		if m.Style&yaml.FlowStyle == 0 {
			added = strings.Repeat(" ", first.Column-1) + "zzzzzz: 1\n" + line
		}
		lines[first.Line-1] = added
		return strings.Join(lines, "\n"), first.Line
	}
	t.Fatalf("nothing stands at %s", path)
	return "", 0
}

// placedNode is a node with its path, as $.relays.live-main.
type placedNode struct {
	*yaml.Node
	path string
}

// nodesOf lists the nodes of a text, but keys.
func nodesOf(t *testing.T, text string) []placedNode {
	t.Helper()
	doc, err := readDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return nodesBelow(doc.root, "$")
}

func nodesBelow(n *yaml.Node, path string) []placedNode {
	out := []placedNode{{n, path}}
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			out = append(out, nodesBelow(c, fmt.Sprintf("%s[%d]", path, i))...)
		case i%2 == 1:
			out = append(out, nodesBelow(c, path+"."+n.Content[i-1].Value)...)
		}
	}
	return out
}

// canaries have the shapes of the secrets that people have in their clipboard.
func canaries() map[string]string {
	return map[string]string{
		"a password":            "Canary-s3cret.VALUE",
		"a Cloudflare token":    "x7Qm2Vb9Lk4Rt8Wz1Yc5Nd3Fg6Hj0Ps_Canary-1",
		"a Cloudflare key":      "1234567890abcdef1234567890abcdef12345",
		"a relay's token":       "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJDYW5hcnkifQ.c2lnbmF0dXJl",
		"a Vault token":         "hvs.CAESIJz7canary8Qm2Vb9Lk4Rt8Wz1",
		"an older Vault token":  "s.x7Qm2Vb9Lk4Rt8Wz1Yc5Nd3F",
		"an AppRole's secret":   "5f2b9c1e-7a4d-4e8b-9c3f-canary00d1e5",
		"an AWS secret key":     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY9",
		"an AWS access key":     "AKIAIOSFODNN7CANARY9",
		"letters in hex":        "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
		"a web hook":            "https://hooks.example/T0CANARY/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
		"an address with a key": "https://user:canary@vault.example:8200",
	}
}

func TestADiagnosticNeverRepeatsWhatMayBeASecret(t *testing.T) {
	for name, canary := range canaries() {
		t.Run(name, func(t *testing.T) {
			expectNoLeak(t, full, fakeSpecs(), canary)
		})
	}
	expectNoLeak(t, string(read(t, exampleFile)), all.Specs(), canaries()["a Cloudflare token"])
}

func TestADiagnosticNeverRepeatsASecretThatIsWrittenWrongly(t *testing.T) {
	const canary = "Canary-s3cret.VALUE"
	expectNoLeak(t, full, fakeSpecs(), "'"+canary+"'", "@"+canary, "["+canary+"]", "{"+canary+": }", "{a: "+canary+"}", "\""+canary, "["+canary, "|"+canary, "!"+canary, "*"+canary)
}

// expectNoLeak writes a secret in some ways in place of each value of a configuration.
func expectNoLeak(t *testing.T, config string, specs map[string]func() sinks.Spec, pasted ...string) {
	t.Helper()
	values := scalars(t, config)
	if len(values) < 40 {
		t.Fatalf("only %d values were found", len(values))
	}
	for _, n := range values {
		for _, text := range pasted {
			_, err := Parse("config.yaml", []byte(replaceAt(config, n, text)), specs)
			if err != nil && strings.Contains(err.Error(), strings.Trim(text, "'\"[]{}|!*@: a")) && !isKeyOfTheUser(n, text) {
				t.Errorf("%s written as %s is repeated:\n%v", n.path, text, err)
			}
		}
	}
}

// isKeyOfTheUser reports whether a key may be repeated: it does not stand in place of a secret's source.
func isKeyOfTheUser(n placedNode, pasted string) bool {
	return strings.HasPrefix(pasted, "{") && !strings.HasSuffix(n.path, "api_token.env") && !strings.HasSuffix(n.path, "password.env") && !strings.HasSuffix(n.path, "auth.token.file")
}

func TestAValueIsRepeatedWhereItHelps(t *testing.T) {
	for _, value := range []string{
		"a1b2", "A1B2C3D4E5F67890A1B2C3D4E5F67890", "Europe/Berlinn", "0 4 * *", "*/15 * * * * * *", "@every 10ms", "@dayly", "TZ=UTC 0 4 * * *",
		"[::]:9476x", "127.0.0.1:99999", "/var/lib/moq", "overlapp", "vault-prod2", "5 minutes", "live-main",
	} {
		if got := butNot(topLevel("relays").child("live").child("id"), value); got != fmt.Sprintf(", not %q", value) {
			t.Errorf("%q is not repeated but %q", value, got)
		}
		for _, key := range []string{"api_token", "auth", "password", "headers", "secret"} {
			if got := butNot(topLevel("sinks").child("x").child(key).child("id"), value); got != "" {
				t.Errorf("below %s, %q is repeated: %s", key, value, got)
			}
		}
	}
}

// scalars lists the values of keys.
func scalars(t *testing.T, text string) []placedNode {
	t.Helper()
	return slices.DeleteFunc(nodesOf(t, text), func(n placedNode) bool { return n.Kind != yaml.ScalarNode || strings.HasSuffix(n.path, "]") })
}

// replaceAt writes another text in place of a value.
func replaceAt(text string, n placedNode, with string) string {
	lines := strings.Split(text, "\n")
	line := lines[n.Line-1]
	rest := line[n.Column-1:]
	old := n.Value
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		old = rest[:1] + old + rest[:1]
	}
	if !strings.HasPrefix(rest, old) {
		panic(fmt.Sprintf("%q is not at %q", old, rest))
	}
	lines[n.Line-1] = line[:n.Column-1] + with + rest[len(old):]
	return strings.Join(lines, "\n")
}

func TestASecretInPlaceOfItsSourceIsNotRepeated(t *testing.T) {
	const canary = "v1.0-Canary-s3cret"
	for _, pasted := range []string{canary, "'" + canary + "'", "[" + canary + "]", "{" + canary + ": }", "{" + canary + ": x}", "{" + canary + "}",
		"{env: " + canary + "}", "{env: [" + canary + "]}", "{file: {" + canary + ": }, env: A}", "{? {" + canary + ": } : a}", "{" + canary + ": , " + canary + ": }"} {
		text := change(t, "{env: CLOUDFLARE_API_TOKEN}", pasted)
		if got := diagnosticsOf(t, text); strings.Contains(got, canary) {
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
		list, ok := err.(Diagnostics)
		if err != nil && !ok {
			t.Fatalf("the error is a %T", err)
		}
		lines := len(splitLines(data))
		for _, d := range list {
			if d.Line < 1 || d.Line > lines || d.Column < 1 || d.Text == "" {
				t.Errorf("a diagnostic without a place: %+v", d)
			}
		}
	})
}
