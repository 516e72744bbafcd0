package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const glossary = "# Glossary\n\n## Plain verbs\n\nRead, write\nand close mean what they always do.\n"

// writeTree makes a module of one file, with the glossary beside it, and returns its folder.
func writeTree(t *testing.T, source string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{"docs/glossary.md": glossary, "a/a.go": "package a\n" + source} {
		at := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestANameWithTwoOwnersIsFoundUnlessItMeansTheSame(t *testing.T) {
	const types = "type b struct{}\ntype c[T any] struct{}\n"
	tests := map[string]struct {
		source string
		shared int
	}{
		"two methods":                    {"func (b) takeTurn() {}\nfunc (*c[T]) takeTurn() {}", 1},
		"a method and a function":        {"func (b) takeTurn() {}\nfunc takeTurn() {}", 1},
		"a plain verb":                   {"func (b) read() {}\nfunc (*c[T]) read() {}", 0},
		"what an interface asks for":     {"type d interface{ takeTurn() }\nfunc (b) takeTurn() {}\nfunc (*c[T]) takeTurn() {}", 0},
		"exported names":                 {"func (b) TakeTurn() {}\nfunc (*c[T]) TakeTurn() {}", 0},
		"one owner, a file for a system": {"func takeTurn() {}\nfunc takeTurn() {}", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			packages, err := load(writeTree(t, types+test.source))
			if err != nil {
				t.Fatal(err)
			}
			found := check(packages, []string{"read", "write", "close"})
			if len(found.shared) != test.shared {
				t.Errorf("found %q, want %d", found.shared, test.shared)
			}
		})
	}
}

func TestTooManySingleWordsFailTheRun(t *testing.T) {
	few := writeTree(t, "func hear() {}\nfunc takeTurn() {}\nfunc addRow() {}\nfunc addColumn() {}")
	if code := run(few, false); code != 0 {
		t.Errorf("one in four single words: exit %d", code)
	}
	many := writeTree(t, "func hear() {}\nfunc takeTurn() {}\nfunc addRow() {}")
	if code := run(many, false); code != 1 {
		t.Errorf("one in three single words: exit %d, want 1", code)
	}
}

func TestThePlainVerbsAreThoseOfTheGlossary(t *testing.T) {
	verbs, err := plainVerbs("../../docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(verbs, "read") || slices.Contains(verbs, "and") || strings.Contains(strings.Join(verbs, ""), " ") {
		t.Errorf("got %q", verbs)
	}
	if _, err := plainVerbs("check.go"); err == nil {
		t.Error("a file without that section is not an error")
	}
}
