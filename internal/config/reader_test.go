package config

import (
	"errors"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// readerCase is a text, with what is told of it or with another text that means the same.
type readerCase struct {
	name, text string
	kind, want string
}

// readerCases reads testdata/reader: cases begin with "=== name"; behind their text stands what is wanted of it,
// "--- diagnostics" or "--- same as".
func readerCases(t *testing.T, name string) []readerCase {
	t.Helper()
	data := string(read(t, filepath.Join("testdata", "reader", name)))
	var out []readerCase
	for _, part := range strings.Split("\n"+data, "\n=== ")[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		at := max(strings.LastIndex("\n"+rest, "\n--- diagnostics\n"), strings.LastIndex("\n"+rest, "\n--- same as\n"))
		if at < 0 {
			t.Fatalf("%s: nothing is wanted", name)
		}
		kind, want, _ := strings.Cut(rest[at+len("--- "):], "\n")
		out = append(out, readerCase{name: name, text: rest[:at], kind: kind, want: strings.TrimRight(want, "\n")})
	}
	return out
}

func TestWhatIsNoYAMLIsExplained(t *testing.T) {
	for _, c := range readerCases(t, "syntax.txt") {
		t.Run(c.name, func(t *testing.T) {
			for form, text := range map[string]string{
				"as it is": c.text, "with Windows line ends": strings.ReplaceAll(c.text, "\n", "\r\n"), "with a byte order mark": "\ufeff" + c.text,
			} {
				if got := diagnosticsOf(t, text); got != c.want {
					t.Errorf("%s: got\n%s\nwant\n%s", form, got, c.want)
				}
			}
		})
	}
}

func TestADocumentMeansWhatYAMLSays(t *testing.T) {
	for _, c := range readerCases(t, "documents.txt") {
		t.Run(c.name, func(t *testing.T) {
			c.check(t, c.text)
			c.check(t, strings.ReplaceAll(c.text, "\n", "\r\n"))
			c.check(t, "\ufeff"+c.text)
		})
	}
}

func TestJSONMeansWhatYAMLDoes(t *testing.T) {
	compared := 0
	for _, c := range readerCases(t, "documents.txt") {
		t.Run(c.name, func(t *testing.T) {
			text, ok := toJSON(t, c.text)
			if !ok {
				return
			}
			compared++
			if _, err := readJSON([]byte(text)); err != nil {
				t.Fatalf("%s is no JSON: %v", text, err)
			}
			if c.kind == "diagnostics" {
				c.want = withoutPlaces(c.want)
			}
			c.check(t, text)
		})
	}
	if compared < 15 {
		t.Errorf("only %d cases can be written as JSON", compared)
	}
}

func TestJSONThatIsCutShortIsRefused(t *testing.T) {
	whole := `{"instance": "test", "state": {"path": "/s"}, "relays": {"live": {"tokens": {"subscribe": {}}}}}`
	if _, err := readJSON([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) - 1 {
		if _, err := readJSON([]byte(whole[:n+1])); err == nil {
			t.Errorf("%s is taken for a whole file", whole[:n+1])
		}
	}
}

// Where ": " was forgotten, or something was pasted, a secret is a key.
func TestAKeyThatMayBeASecretIsNotShown(t *testing.T) {
	const (
		vaultToken = "hvs.CAESIJlWh5Q9f0qVbq2u"
		jwt        = "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJhIn0.c2lnbmF0dXJl"
		password   = "hunter2"
		apiKey     = "0123456789abcdef0123456789abcdef01234"
	)
	for _, text := range []string{
		"sinks: {v: {type: vault, auth: {" + vaultToken + "}}}", "accounts: {main: {" + jwt + "}}", jwt + ": 1", "relays: {live: {" + vaultToken + ": {}}}",
		"sinks: {v: {type: vault, auth: {" + password + ": x}}}", "relays: {live: {labels: {" + jwt + ": x}}}", "defaults: {sinks: [{" + apiKey + "}]}",
	} {
		_, err := Parse("config.yaml", []byte(text), fakeSpecs())
		if err == nil {
			t.Fatalf("%s is accepted", text)
		}
		for _, secret := range []string{vaultToken, jwt, password, apiKey} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s is answered by %s", text, err)
			}
		}
	}
}

// A name that a secret stands in place of is shown neither at its place nor in what is told of others.
func TestANameThatMayBeASecretIsNotShownElsewhere(t *testing.T) {
	const secret = "hvs.CAESIJlWh5Q9f0qVbq2u8Xy7Zk3Lm9Np"
	const other = "b1b2c3d4e5f67890a1b2c3d4e5f67890"
	for name, text := range map[string]string{
		"a sink":                change(t, "  disk:", "  "+secret+":"),
		"an account":            change(t, "  main:", "  "+secret+":") + "    account: main\n",
		"an account of several": change(t, "accounts:\n", "accounts:\n  "+secret+": {account_id: "+testAccount+", api_token: {env: X}}\n"),
		"a relay twice":         change(t, "relays:\n", "relays:\n  "+secret+": {id: "+testRelay+", tokens: {publish: {}}}\n"),
		"a relay of one target": strings.Replace(change(t, "relays:\n", "relays:\n  "+secret+": {id: "+other+", tokens: {subscribe: {}}}\n"), "{{.Relay}}", "", 1),
		"a token":               change(t, "subscribe: {}", "subscribe: {retire: matching}\n      "+secret+": {operations: [subscribe]}"),
	} {
		if got := diagnosticsOf(t, text); strings.Contains(got, secret) {
			t.Errorf("%s of this name is answered by\n%s", name, got)
		}
	}
}

func TestAKeyThatIsAnOrdinaryNameIsShown(t *testing.T) {
	for _, name := range []string{"studio-berlin-stage2-cam04", "live_main", "relay-2026-11-27", "Relay_Live"} {
		_, err := Parse("config.yaml", []byte("relays: {"+name+": {nonsense: 1}}"), fakeSpecs())
		if err == nil || !strings.Contains(err.Error(), "relays."+name+".nonsense") {
			t.Errorf("%s is told as %v", name, err)
		}
	}
}

func TestJSONHasLinesAndColumns(t *testing.T) {
	for _, c := range readerCases(t, "json.txt") {
		t.Run(c.name, func(t *testing.T) { c.check(t, c.text) })
	}
}

// check reads text and compares what comes of it with what is wanted.
func (c readerCase) check(t *testing.T, text string) {
	t.Helper()
	cfg, err := Parse("config.yaml", []byte(text), fakeSpecs())
	if c.kind == "same as" {
		want := parse(t, c.want)
		if err != nil || !reflect.DeepEqual(cfg.withoutWarnings(), want.withoutWarnings()) {
			t.Errorf("%q is read as\n%+v, %v\nwant\n%+v", text, cfg, err, want)
		}
		return
	}
	list, _ := errors.AsType[Diagnostics](err)
	got := list.Error()
	if !strings.HasPrefix(c.want, "config.yaml:") {
		got = withoutPlaces(got)
	}
	if got != c.want {
		t.Errorf("%q: got\n%s\nwant\n%s", text, got, c.want)
	}
}

func (c *Config) withoutWarnings() *Config {
	if c == nil {
		return nil
	}
	rest := *c
	rest.warnings = nil
	return &rest
}

// withoutPlaces sorts diagnostics by what they say; where they stand differs from form to form.
func withoutPlaces(diagnostics string) string {
	text := regexp.MustCompile(`(?m)^config\.yaml:\d+:\d+: `).ReplaceAllString(diagnostics, "")
	lines := strings.Split(regexp.MustCompile(`on line \d+`).ReplaceAllString(text, "on line 1"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// toJSON writes a YAML text as JSON of one line, duplicate keys and all; ok is false where JSON has no words for it.
func toJSON(t *testing.T, text string) (string, bool) {
	t.Helper()
	doc, err := readYAML([]byte(text))
	if err != nil || doc.root.Kind != yaml.MappingNode {
		return "", false
	}
	return nodeToJSON(doc.root)
}

func nodeToJSON(n *yaml.Node) (text string, ok bool) {
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || n.Kind == yaml.AliasNode || isMerge(n) {
		return "", false
	}
	if n.Kind == yaml.ScalarNode {
		return scalarToJSON(n)
	}
	var items []string
	for _, c := range n.Content {
		item, ok := nodeToJSON(c)
		if !ok {
			return "", false
		}
		items = append(items, item)
	}
	if n.Kind == yaml.SequenceNode {
		return "[" + strings.Join(items, ", ") + "]", true
	}
	var entries []string
	for i := 0; i < len(items); i += 2 {
		if !strings.HasPrefix(items[i], `"`) {
			return "", false
		}
		entries = append(entries, items[i]+": "+items[i+1])
	}
	return "{" + strings.Join(entries, ", ") + "}", true
}

func scalarToJSON(n *yaml.Node) (string, bool) {
	switch n.Tag {
	case tagBool, tagInt, tagFloat:
		text := strings.ToLower(n.Value)
		return text, !strings.HasPrefix(text, "0") || text == "0" || strings.HasPrefix(text, "0.")
	case tagNull:
		return "null", true
	}
	return strconv.Quote(n.Value), true
}

func TestAListThatIsRepeatedTooOftenIsRefused(t *testing.T) {
	const many = 2000
	var b strings.Builder
	b.WriteString("defaults: {sinks: &list [" + strings.Repeat("x,", many) + "]}\nrelays:\n")
	for i := range many {
		b.WriteString("  r" + strconv.Itoa(i) + ": {sinks: *list}\n")
	}
	if got := diagnosticsOf(t, b.String()); !strings.HasSuffix(got, ": aliases repeat too much here (merge shorter mappings)") || strings.Contains(got, "\n") {
		t.Errorf("got %.300s", got)
	}
}
