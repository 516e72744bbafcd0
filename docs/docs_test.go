// Package docs tests the documents against the code.
package docs

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sources parses the main module's Go files and calls visit for each, with its
// path below the root.
func sources(t *testing.T, visit func(path string, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && leave(path, d):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			visit(filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator))), f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// leave tells the folders that are not of the main module.
func leave(path string, d fs.DirEntry) bool {
	if strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "tmp" || d.Name() == "bin" {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

func isTest(path string) bool { return strings.HasSuffix(path, "_test.go") }

// functions are the names of the functions, methods and types of each package, by its path.
func functions(t *testing.T, tests bool) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	sources(t, func(path string, f *ast.File) {
		if isTest(path) != tests {
			return
		}
		dir := filepath.Dir(path)
		for _, d := range f.Decls {
			out[dir] = append(out[dir], declared(d)...)
		}
	})
	return out
}

// declared gives the names of a function or of types.
func declared(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []string{d.Name.Name}
	case *ast.GenDecl:
		var out []string
		for _, s := range d.Specs {
			if ts, ok := s.(*ast.TypeSpec); ok {
				out = append(out, ts.Name.Name)
			}
		}
		return out
	}
	return nil
}

func markdown(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			out = append(out, strings.TrimPrefix(filepath.ToSlash(f), root+"/"))
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %q were found", out)
	}
	return out
}

func TestEveryPackageHasItsPlaceInTheArchitecture(t *testing.T) {
	text := read(t, "docs/architecture.md")
	packages := map[string]bool{}
	sources(t, func(path string, _ *ast.File) {
		if !isTest(path) {
			packages[filepath.Dir(path)] = true
		}
	})
	for p := range packages {
		if !strings.Contains(text, "`"+p+"`") {
			t.Errorf("the document does not name %s", p)
		}
	}
	for _, m := range regexp.MustCompile("`((?:internal|cmd)/[a-z0-9/]+)`").FindAllStringSubmatch(text, -1) {
		if !packages[m[1]] {
			t.Errorf("the document names %s, which is no package", m[1])
		}
	}
}

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	text := read(t, "docs/dependencies.md")
	used := directModules(t)
	for m := range used {
		if !strings.Contains(text, "| `"+m+"` |") {
			t.Errorf("the document gives no reason for %s", m)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		if !used[m[1]] {
			t.Errorf("the document lists %s, which is not imported", m[1])
		}
	}
}

// directModules are the modules of go.mod that a package of ours imports from.
func directModules(t *testing.T) map[string]bool {
	t.Helper()
	var required []string
	for _, m := range regexp.MustCompile(`(?m)^(?:\t|require )([a-z][^\s]+\.[^\s]+) v`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
		required = append(required, m[1])
	}
	slices.SortFunc(required, func(a, b string) int { return len(b) - len(a) }) // the longest prefix is the module
	used := map[string]bool{}
	sources(t, func(_ string, f *ast.File) {
		for _, imp := range f.Imports {
			path := strings.Trim(imp.Path.Value, `"`)
			i := slices.IndexFunc(required, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
			if i >= 0 {
				used[required[i]] = true
			}
		}
	})
	if len(used) < 10 {
		t.Fatalf("only %v are imported", used)
	}
	return used
}

func TestTheReadmeNamesEveryVerb(t *testing.T) {
	text := read(t, "README.md")
	verbs := 0
	sources(t, func(path string, f *ast.File) {
		if filepath.Dir(path) != "cmd/rotatord" || isTest(path) {
			return
		}
		for _, use := range commandUses(f) {
			verbs++
			if verb, _, _ := strings.Cut(use, " "); !strings.Contains(text, "`rotatord "+verb) && verb != "rotatord" && verb != "prune" && verb != "copy" {
				t.Errorf("README.md does not name `rotatord %s`", verb)
			}
		}
	})
	if verbs < 10 {
		t.Errorf("only %d verbs were found", verbs)
	}
}

// commandUses gives the Use fields of cobra commands.
func commandUses(f *ast.File) []string {
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, isName := kv.Key.(*ast.Ident)
		value, isText := kv.Value.(*ast.BasicLit)
		if isName && isText && key.Name == "Use" {
			out = append(out, strings.Trim(value.Value, `"`))
		}
		return true
	})
	return out
}

// A guarantee is only as good as the test that would go red.
func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	known := map[string]bool{}
	for _, names := range functions(t, true) {
		for _, n := range names {
			known[n] = true
		}
	}
	named := 0
	for _, file := range markdown(t) {
		for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`).FindAllString(read(t, file), -1) {
			named++
			if !known[name] {
				t.Errorf("%s names %s, which is gone", file, name)
			}
		}
	}
	if named == 0 {
		t.Error("no document names a test")
	}
}

// Documents name code as `package.function`.
func TestEveryFunctionThatADocumentNamesExists(t *testing.T) {
	known := map[string]map[string]bool{}
	for dir, names := range functions(t, false) {
		pkg := filepath.Base(dir)
		if known[pkg] == nil {
			known[pkg] = map[string]bool{}
		}
		for _, n := range names {
			known[pkg][n] = true
		}
	}
	pattern := regexp.MustCompile("`([a-z]+)\\.([A-Za-z]\\w+)`")
	named := 0
	for _, file := range []string{"docs/architecture.md", "docs/guarantees.md", "docs/threat-model.md"} {
		for _, m := range pattern.FindAllStringSubmatch(read(t, file), -1) {
			pkg, ours := known[m[1]]
			if !ours {
				continue
			}
			named++
			if !pkg[m[2]] {
				t.Errorf("%s names %s.%s, which is gone", file, m[1], m[2])
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d functions are named", named)
	}
}

// A transcript says at its head which guarantee it is a rule of, and the guarantee names it.
func TestEveryTranscriptStandsWithItsGuarantee(t *testing.T) {
	const dir = "internal/slot/testdata/"
	files, err := filepath.Glob(filepath.Join(root, dir, "*.txt"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	named := transcriptsOfGuarantees(t)
	for _, f := range files {
		name := filepath.Base(f)
		m := regexp.MustCompile(`(?m)\A(?:# .+\n)+# guarantees\.md: (.+)\n\n`).FindStringSubmatch(read(t, dir+name))
		if m == nil {
			t.Errorf("%s does not say at its head which rule it is, and where that stands", name)
		} else if named[name] != m[1] {
			t.Errorf("%s is of %q; docs/guarantees.md names it in %q", name, m[1], named[name])
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("docs/guarantees.md names %s, which is gone", name)
	}
}

// transcriptsOfGuarantees gives the heading below which docs/guarantees.md names each transcript.
func transcriptsOfGuarantees(t *testing.T) map[string]string {
	out := map[string]string{}
	for _, section := range strings.Split(read(t, "docs/guarantees.md"), "\n## ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		for _, m := range regexp.MustCompile("`([a-z_]+\\.txt)`").FindAllStringSubmatch(text, -1) {
			out[m[1]] = heading
		}
	}
	return out
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, file := range markdown(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}

func TestEveryMakeTargetThatADocumentNamesExists(t *testing.T) {
	makefile := "\n" + read(t, "Makefile")
	for _, file := range markdown(t) {
		for _, m := range regexp.MustCompile("(?m)(?:`|^    |^)make ([a-z][a-z-]*)").FindAllStringSubmatch(read(t, file), -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names `make %s`, which is no target", file, m[1])
			}
		}
	}
}

func TestNoDocumentNamesALineNumber(t *testing.T) {
	for _, file := range markdown(t) {
		if m := regexp.MustCompile(`[a-z]\.go:\d+`).FindString(read(t, file)); m != "" {
			t.Errorf("%s names %s: lines move", file, m)
		}
	}
}

// What a document shows of a policy is what a user loads.
func TestThePoliciesThatAreShownAreTheFiles(t *testing.T) {
	shown := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^\\[`([^`]+)`\\]\\(\\.\\./deploy/policies/([^)]+)\\).*?\n\n```\\w+\n(.*?)^```").
		FindAllStringSubmatch(read(t, "docs/permissions.md"), -1) {
		if m[1] != m[2] {
			t.Errorf("the link of %s leads to %s", m[1], m[2])
		}
		shown[m[1]] = m[3]
	}
	err := fs.WalkDir(os.DirFS(filepath.Join(root, "deploy/policies")), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && read(t, "deploy/policies/"+path) != shown[path] {
			t.Errorf("docs/permissions.md does not show %s as it is", path)
		}
		delete(shown, path)
		return err
	})
	if err != nil || len(shown) > 0 {
		t.Errorf("docs/permissions.md shows %v, which are no files (%v)", slices.Collect(maps.Keys(shown)), err)
	}
}

func TestTheAPITokenHasThePermissionThatErrorsAskFor(t *testing.T) {
	var token struct {
		Policies []struct {
			Groups []struct{ ID, Name string } `json:"permission_groups"`
		}
	}
	if err := json.Unmarshal([]byte(read(t, "deploy/policies/cloudflare/api-token.json")), &token); err != nil {
		t.Fatal(err)
	}
	if len(token.Policies) != 1 || len(token.Policies[0].Groups) != 1 {
		t.Fatalf("more than one permission: %v", token)
	}
	group := token.Policies[0].Groups[0]
	if !strings.Contains(read(t, "internal/cf/meanings.go"), group.Name+" ("+group.ID+")") {
		t.Errorf("errors ask for another permission than %v", group)
	}
}
