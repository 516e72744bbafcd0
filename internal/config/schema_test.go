package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

var update = flag.Bool("update", false, "write deploy/config.schema.json anew")

const (
	schemaFile  = "../../deploy/config.schema.json"
	exampleFile = "../../config.example.yaml"
	docFile     = "../../docs/configuration.md"
)

func TestTheSchemaInDeployIsTheCodes(t *testing.T) {
	want, err := generateSchema(all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, schemaFile); !bytes.Equal(got, want) {
		t.Error("deploy/config.schema.json is stale: go test ./internal/config -update")
	}
}

func TestTheExampleIsValidForTheCodeAndTheSchema(t *testing.T) {
	example := read(t, exampleFile)
	cfg, err := Parse("config.example.yaml", example, all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings()) != 0 || len(cfg.Plans()) != 3 {
		t.Errorf("%d slots, warnings %v", len(cfg.Plans()), cfg.Warnings())
	}
	if err := conforms(t, compile(t, all.Specs()), string(example)); err != nil {
		t.Errorf("the schema refuses the example: %v", err)
	}
}

func TestSchemaAndCodeAgreeOnUnknownKeys(t *testing.T) {
	schema := compile(t, fakeSpecs())
	if err := conforms(t, schema, full); err != nil {
		t.Fatalf("the schema refuses a full configuration: %v", err)
	}
	for _, at := range structPaths(reflect.TypeFor[Config](), "$") {
		text, _ := withUnknownKey(t, full, at)
		if conforms(t, schema, text) == nil {
			t.Errorf("the schema accepts an unknown key at %s", at)
		}
	}
}

func TestSchemaAndCodeAgreeOnWhatIsAccepted(t *testing.T) {
	schema := compile(t, fakeSpecs())
	for _, text := range []string{base, full, change(t, "subscribe: {}", "subscribe:"),
		"state:\nserver:\nlog:\nmetrics:\n" + change(t, "subscribe: {}", "subscribe: {jitter: 0, grace: 0, settle: 0s}"),
		change(t, "    tokens:", "    labels: {floor: 3, live: true, rate: 0.5}\n    tokens:"),
		strings.Replace(full, "admin_socket_group: g", "admin_socket_group: 1000", 1), strings.Replace(full, "fields: {a: b}", "fields:", 1),
		change(t, "subscribe: {}", "studio-a: {operations: [publish, 'publish:stats']}")} {
		parse(t, text)
		if err := conforms(t, schema, text); err != nil {
			t.Errorf("the schema refuses what the code accepts: %v", err)
		}
	}
	for _, faulty := range []struct{ old, new string }{
		{"type: vault", "type: vaullt"}, {"{env: CLOUDFLARE_API_TOKEN}", "{env: A, file: B}"}, {"sinks: [disk]", "grace: 5x"},
		{"live-main:", "Live:"}, {"subscribe: {}", "subscriber: {}"}, {testRelay, "abc"}, {"subscribe: {}", "studio-a:"},
		{"subscribe: {}", "studio-a: {operations: []}"}, {"subscribe: {}", "studio-a: {operations: [publish, publish]}"},
		{"subscribe: {}", "studio-a: {operations: [Publish]}"}, {"subscribe: {}", "subscribe: {operations: [subscribe]}"},
		{"subscribe: {}", "Studio: {operations: [publish]}"}, {"sinks: [disk]", "sinks: [disk], grace: 12"},
		{"env: CLOUDFLARE_API_TOKEN", "env: v1.0-token"}, {"env: CLOUDFLARE_API_TOKEN", "credential: a/b"}, {"sinks: [disk]", "sinks: []"},
		{"    tokens:", "    labels: {a-b: c}\n    tokens:"},
	} {
		text := change(t, faulty.old, faulty.new)
		diagnosticsOf(t, text)
		if conforms(t, schema, text) == nil {
			t.Errorf("the schema accepts %s", faulty.new)
		}
	}
}

func TestSchemaAndCodeAgreeOnSinks(t *testing.T) {
	schema, example := compile(t, all.Specs()), string(read(t, exampleFile))
	for _, c := range []struct {
		old, new string
		ok       bool
	}{
		{`mode: "0640"`, "owner: 1000\n    group: 3000000000", true}, {`mode: "0640"`, "owner: moq", true},
		{`fields: {token: "{{.Token}}"}`, `fields: {token: "{{.Token}}", kind: 1}`, true}, {`fields: {token: "{{.Token}}"}`, "fields:", true},
		{`mode: "0640"`, `mode: "640"`, false}, {"create: true", "create: true\n    tags: {team: 7}", true}, {"token: {file: /run/secrets/vault-token}", "{}", false},
	} {
		if !strings.Contains(example, c.old) {
			t.Fatalf("the example does not hold %s", c.old)
		}
		text := strings.Replace(example, c.old, c.new, 1)
		_, err := Parse("config.yaml", []byte(text), all.Specs())
		if wrong := conforms(t, schema, text); (err == nil) != c.ok || (wrong == nil) != c.ok {
			t.Errorf("%s: the code says %v, the schema %v", c.new, err, wrong)
		}
	}
}

func TestTheDocumentsNameEveryKey(t *testing.T) {
	schema, err := generateSchema(all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	keys := propertyNames(t, schema)
	if len(keys) < 70 {
		t.Fatalf("only %d keys were found", len(keys))
	}
	doc, example := string(read(t, docFile)), string(read(t, exampleFile))
	for _, key := range keys {
		if !strings.Contains(doc, "`"+key+"`") {
			t.Errorf("docs/configuration.md does not name `%s`", key)
		}
		if !regexp.MustCompile(`\b`+key+`:`).MatchString(example) && !isSecretKey(key) {
			t.Errorf("config.example.yaml does not show %s", key)
		}
	}
}

// isSecretKey reports whether a key is one that is explained in the example's head.
func isSecretKey(key string) bool { return key == "env" || key == "file" || key == "credential" }

// documentedKey is the first cell of a row in the document's tables.
var documentedKey = regexp.MustCompile("(?m)^\\| `([a-z_]+)`")

func TestTheDocumentNamesNoKeyThatIsGone(t *testing.T) {
	schema, err := generateSchema(all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	keys := propertyNames(t, schema)
	for _, m := range documentedKey.FindAllStringSubmatch(string(read(t, docFile)), -1) {
		if !slices.Contains(keys, m[1]) {
			t.Errorf("docs/configuration.md describes `%s`, which there is not", m[1])
		}
	}
}

func propertyNames(t *testing.T, schema []byte) []string {
	t.Helper()
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	collectProperties(root, names)
	return slices.Sorted(maps.Keys(names))
}

func collectProperties(node any, into map[string]bool) {
	switch v := node.(type) {
	case []any:
		for _, e := range v {
			collectProperties(e, into)
		}
	case map[string]any:
		if props, ok := v["properties"].(map[string]any); ok {
			for name := range props {
				into[name] = true
			}
		}
		for _, e := range v {
			collectProperties(e, into)
		}
	}
}

func compile(t *testing.T, specs map[string]func() sinks.Spec) *jsonschema.Schema {
	t.Helper()
	text, err := generateSchema(specs)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// conforms checks a YAML text as an editor would.
func conforms(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON(t, []byte(text))))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
