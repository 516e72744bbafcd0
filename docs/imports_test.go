package docs

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const module = "github.com/rotatord/rotatord"

// importRule is one of depguard's in .golangci.yml.
type importRule struct {
	Files []string
	Allow []string
	Deny  []struct{ Pkg, Desc string }
}

// The linter goes by its own table, people by the document's.
func TestTheTableOfImportsIsWhatTheLinterAllows(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `((?:internal|cmd|deploy|test)[a-z0-9/]*)` \\| (?:.*(?:\\| |; may import )(.+)|.*) \\|$").
		FindAllStringSubmatch(read(t, "docs/architecture.md"), -1)
	if len(rows) < 40 {
		t.Fatalf("only %d packages have a row", len(rows))
	}
	rules := importRules(t)
	for _, row := range rows {
		dir, shown := row[1], namesIn(row[2])
		i := slices.IndexFunc(rules, func(r importRule) bool { return r.isFor(dir) })
		if all := strings.HasPrefix(row[2], "all"); i < 0 || all {
			if all != (i < 0) {
				t.Errorf("the document lets %s import %q, and the linter has another rule", dir, row[2])
			}
			continue
		}
		if allowed := rules[i].names(); !slices.Equal(shown, allowed) {
			t.Errorf("%s may import %q, says the document; the linter allows %q", dir, shown, allowed)
		}
	}
}

// A finding of the linter's tells what its rule allows.
func TestTheLinterSaysWhatItAllows(t *testing.T) {
	said := 0
	for _, r := range importRules(t) {
		_, names, ok := strings.Cut(r.Deny[0].Desc, " may import ")
		if !ok {
			continue
		}
		said++
		if !slices.Equal(namesIn(names), r.names()) {
			t.Errorf("%q, and %q are allowed", r.Deny[0].Desc, r.names())
		}
	}
	if said < 20 {
		t.Errorf("only %d rules say it", said)
	}
}

// importRules returns those that name what of ours may be imported.
func importRules(t *testing.T) (out []importRule) {
	t.Helper()
	var file struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules map[string]importRule }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, ".golangci.yml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Linters.Settings.Depguard.Rules {
		if len(r.Deny) > 0 && r.Deny[0].Pkg == module {
			out = append(out, r)
		}
	}
	return out
}

// isFor reports whether a rule is for the package in a folder.
func (r importRule) isFor(dir string) (is bool) {
	for _, pattern := range r.Files {
		pattern, excepted := strings.CutPrefix(pattern, "!")
		if ok, _ := path.Match(strings.TrimPrefix(pattern, "**/"), dir+"/x.go"); ok {
			is = !excepted
		}
	}
	return is
}

// names are those of the packages that a rule allows, sorted; "the sinks" are all below a folder.
func (r importRule) names() (out []string) {
	for _, pkg := range r.Allow {
		name, one := strings.CutSuffix(path.Base(pkg), "$")
		if !one {
			name = "the " + name
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// namesIn returns the names that a text lists, sorted; "–" is none.
func namesIn(list string) (out []string) {
	if list == "" || list == "–" {
		return nil
	}
	return slices.Sorted(strings.SplitSeq(list, ", "))
}
