package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// patches is the folder of the mutants, from the repository's root: one patch each.
const patches = "test/mutants/testdata"

// mutant is one way to break the code.
type mutant struct {
	name     string // the first line of the patch, without its full stop; the file is named after it
	promise  string // the heading in docs/guarantees.md of the promise that it breaks
	caughtBy string // which tests must turn red; "" for those of the code that it changes, and then the exploration
	patch    patch
}

// The tests that a patch may ask for by its line caught-by.
const transcripts = "transcripts" // those of the decision alone, which need no exploration

// load reads all mutants, in the order of their files' names. Its error names every patch that cannot be read.
func load(root string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, patches, "*.patch"))
	if err != nil {
		return nil, err
	}
	var list []mutant
	var errs []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := parseMutant(string(text))
		if want := fileName(m.name); err == nil && filepath.Base(file) != want {
			err = fmt.Errorf("by its first line it belongs into %s", want)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(file), err))
		}
		list = append(list, m)
	}
	return list, errors.Join(errs...)
}

// parseMutant reads a patch with its head: a sentence that says what is broken, the promise, perhaps
// who is to catch it.
func parseMutant(text string) (mutant, error) {
	head, diff, found := strings.Cut(text, "\n--- a/")
	if !found {
		return mutant{}, errors.New("it holds no diff: no line begins with --- a/")
	}
	lines := strings.Split(strings.TrimSpace(head), "\n")
	m := mutant{name: strings.TrimSuffix(lines[0], ".")}
	m.name = strings.ToLower(m.name[:min(1, len(m.name))]) + m.name[min(1, len(m.name)):]
	for _, line := range lines[1:] {
		if err := m.readHead(line); err != nil {
			return m, err
		}
	}
	if m.name == "" || m.promise == "" {
		return m, errors.New(`its head lacks what it breaks, or the line promise: docs/guarantees.md, "…"`)
	}
	var err error
	m.patch, err = parsePatch("--- a/" + diff)
	return m, err
}

func (m *mutant) readHead(line string) error {
	key, value, _ := strings.Cut(line, ": ")
	switch key {
	case "promise":
		heading, begins := strings.CutPrefix(value, `docs/guarantees.md, "`)
		heading, ends := strings.CutSuffix(heading, `"`)
		if !begins || !ends {
			return fmt.Errorf(`the promise %s is not of the form docs/guarantees.md, "heading"`, value)
		}
		m.promise = heading
	case "caught-by":
		if value != transcripts {
			return fmt.Errorf("caught-by may be %s, or be left out, and not %q", transcripts, value)
		}
		m.caughtBy = value
	}
	return nil // all else is for readers
}

// fileName is the name of the file that a mutant is kept in.
func fileName(name string) string {
	words := strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(name, "'", "")), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "-") + ".patch"
}

// mutate returns the files that m changes, as they are then, by their path from root.
func (m *mutant) mutate(root string) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range m.patch {
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.path)))
		if err != nil {
			return nil, err
		}
		if out[f.path], err = f.apply(string(src)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// suites are the runs of which one must turn red, the quickest first.
func (m *mutant) suites() []suite {
	if m.caughtBy == transcripts {
		return []suite{{core, nil}}
	}
	var out []suite
	for _, f := range m.patch {
		pkg := path.Dir(f.path)
		known := slices.ContainsFunc(out, func(s suite) bool { return s.pkg == pkg })
		if pkg != engine && !known {
			out = append(out, suite{pkg, nil})
		}
	}
	explore := []string{"-explore.all", "-explore.depth=1", "-explore.walks=100", "-explore.seed=1"}
	return append(out,
		suite{engine, append([]string{"-test.skip", exploration}, explore...)}, // most are caught without it, in no time
		suite{engine, append([]string{"-test.run", exploration}, explore...)})
}
