package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

// testdata/digest.txt says of each key whether replicas may have it otherwise. A new key is to be added there.
func TestEachKeyIsKnownToCountInTheDigestOrNot(t *testing.T) {
	before := digestOf(filled(), all.Specs())
	var got []string
	for _, at := range leafPaths() {
		cfg := filled()
		changed := 0
		eachLeaf(reflect.ValueOf(cfg).Elem(), "", func(path string, change func()) {
			if path == at {
				change()
				changed++
			}
		})
		if changed != 1 {
			t.Fatalf("%s is there %d times", at, changed)
		}
		word := "counts  "
		if digestOf(cfg, all.Specs()) == before {
			word = "left out"
		}
		got = append(got, word+" "+at)
	}
	want := strings.Split(strings.TrimSpace(string(read(t, filepath.Join("testdata", "digest.txt")))), "\n")
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("testdata/digest.txt does not say: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("testdata/digest.txt says, and it is not so: %s", line)
		}
	}
}

func leafPaths() (paths []string) {
	eachLeaf(reflect.ValueOf(filled()).Elem(), "", func(path string, _ func()) { paths = append(paths, path) })
	return paths
}

// filled is a configuration in which every key has a value.
func filled() *Config {
	cfg := &Config{}
	fill(reflect.ValueOf(cfg).Elem())
	for kind, build := range all.Specs() {
		spec := build()
		fill(reflect.ValueOf(spec).Elem())
		spec.Shared().Type = kind
		cfg.Sinks[kind] = spec
	}
	return cfg
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for _, f := range structFields(v.Type()).byKey {
			fill(v.FieldByIndex(f.index))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		if v.Type().Elem() != specType {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value)
			v.SetMapIndex(reflect.ValueOf("x").Convert(v.Type().Key()), value)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	default:
		v.Set(otherThan(v))
	}
}

// otherThan is another value of a scalar's type.
func otherThan(v reflect.Value) reflect.Value {
	var other any
	switch v.Kind() {
	case reflect.String:
		other = v.String() + "x"
	case reflect.Bool:
		other = !v.Bool()
	case reflect.Int, reflect.Int64:
		other = v.Int() + 1
	case reflect.Float64:
		other = v.Float() + 1
	default:
		panic(fmt.Sprintf("what is a %s?", v.Type()))
	}
	return reflect.ValueOf(other).Convert(v.Type())
}

// eachLeaf visits what a person can write another value for, or another name; change does so.
func eachLeaf(v reflect.Value, path string, visit func(path string, change func())) {
	switch {
	case v.Type() == sourceType:
		visit(path, func() { v.Set(reflect.ValueOf(secret.Source{Credential: "other"})) })
	case v.Kind() == reflect.Interface:
		eachLeaf(v.Elem().Elem(), path, visit)
	case v.Kind() == reflect.Pointer:
		eachLeaf(v.Elem(), path, visit)
	case v.Kind() == reflect.Struct:
		fields := structFields(v.Type())
		for _, key := range fields.names {
			if !strings.HasPrefix(path, "sinks.") || key != "type" { // its name in the path is the type
				eachLeaf(v.FieldByIndex(fields.byKey[key].index), strings.TrimPrefix(path+"."+key, "."), visit)
			}
		}
	case v.Kind() == reflect.Map:
		for _, key := range sortedKeys(v) {
			eachEntry(v, key, path+"."+key.String(), visit)
		}
	case v.Kind() == reflect.Slice:
		eachLeaf(v.Index(0), path+"[]", visit)
	default:
		visit(path, func() { v.Set(otherThan(v)) })
	}
}

func eachEntry(m, key reflect.Value, path string, visit func(path string, change func())) {
	value := m.MapIndex(key)
	visit(path+" by another name", func() {
		m.SetMapIndex(key, reflect.Value{})
		m.SetMapIndex(otherThan(key), value)
	})
	if value.Kind() == reflect.String {
		visit(path, func() { m.SetMapIndex(key, otherThan(value)) })
		return
	}
	eachLeaf(value, path, visit)
}

func digestOfText(t *testing.T, text string, specs map[string]func() sinks.Spec) string {
	t.Helper()
	cfg, err := Parse("config.yaml", []byte(text), specs)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg.Digest()
}

func TestTheDigestGoesByWhatIsSaidAndNotByHow(t *testing.T) {
	want := digestOfText(t, full, fakeSpecs())
	for name, text := range map[string]string{
		"as JSON":                      string(asJSON(t, []byte(full))),
		"in another order":             reversed(t, full),
		"a duration in another unit":   strings.Replace(full, "grace: 12h", "grace: 720m", 1),
		"a default that is not given":  strings.Replace(full, "instance: default\n", "", 1),
		"another server":               strings.Replace(full, "127.0.0.1:1", ":2", 1),
		"another log":                  strings.Replace(full, "level: info", "level: debug", 1),
		"another secret":               strings.Replace(full, "{env: CLOUDFLARE_API_TOKEN}", "{file: /t}", 1),
		"another way to the same etcd": strings.Replace(full, "https://e:1", "https://f:1", 1),
		"a sink by its name alone":     strings.ReplaceAll(full, "[{sink: disk}]", "[disk]"),
		"a comment":                    full + "# the end\n",
	} {
		if text == full {
			t.Errorf("%s: nothing is changed", name)
		}
		if got := digestOfText(t, text, fakeSpecs()); got != want {
			t.Errorf("%s changes it", name)
		}
	}
	for name, text := range map[string]string{
		"another type of sink": strings.Replace(full, "type: file", "type: vault", 1),
		"another schedule":     strings.Replace(full, "0 4 * * 1", "0 4 * * 2", 1),
		"a relay less":         full[:strings.Index(full, "relays:")] + "relays: {}\n",
		"one more":             full + "  other: {id: b1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {subscribe: {}}}\n",
		"another default":      "shutdown_timeout: 31s\n" + full,
	} {
		if digestOfText(t, text, fakeSpecs()) == want {
			t.Errorf("%s does not change it", name)
		}
	}
}

func TestListsThatDifferInOrderAloneAreTheSame(t *testing.T) {
	const operations = "studio-a: {operations: [publish], sinks: [{sink: disk}]}"
	text := strings.Replace(full, operations, "studio-a: {operations: [publish, other], sinks: [{sink: disk}, {sink: disk, path: /o}]}", 1)
	turned := strings.Replace(full, operations, "studio-a: {operations: [other, publish], sinks: [{sink: disk, path: /o}, {sink: disk}]}", 1)
	if text == turned || digestOfText(t, text, fakeSpecs()) != digestOfText(t, turned, fakeSpecs()) {
		t.Error("they differ")
	}
}

// Replicas of two versions run side by side: this digest may not change with a new version, or each upgrade would have
// them differ.
func TestTheDigestOfAConfigurationStaysWhatItIs(t *testing.T) {
	if got := digestOfText(t, full, fakeSpecs()); got != "f736865c1bdd605d3d37dcec99914b96" {
		t.Errorf("it is %s now", got)
	}
}

func TestOnlyReplicasHaveADigest(t *testing.T) {
	if got := digestOfText(t, base, fakeSpecs()); got != "" {
		t.Errorf("without etcd: %s", got)
	}
	cfg := parse(t, full)
	if got := cfg.WithoutFleet().Digest(); got != cfg.Digest() || len(got) != 2*digestSize {
		t.Errorf("without its fleet a configuration has another: %s, %s", got, cfg.Digest())
	}
	name := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := cfg.Reload(name, fakeSpecs()); err != nil || again.Digest() != cfg.Digest() {
		t.Errorf("a reload gives another: %v", err)
	}
}

// reversed is a text with each mapping's keys in the other order.
func reversed(t *testing.T, text string) string {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	turnAround(&doc)
	out, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func turnAround(n *yaml.Node) {
	for _, below := range n.Content {
		turnAround(below)
	}
	if n.Kind == yaml.MappingNode {
		var out []*yaml.Node
		for pair := range slices.Chunk(n.Content, 2) {
			out = append(slices.Clone(pair), out...)
		}
		n.Content = out
	}
}

func BenchmarkDigest(b *testing.B) {
	text := fleet(10_000) + etcdState
	cfg, err := Parse("config.yaml", []byte(text), fakeSpecs())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		digestOf(cfg, fakeSpecs())
	}
}
