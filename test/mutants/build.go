package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// build is the tests of some packages, compiled with mutants in them.
type build struct{ dir string }

// suite is a run of the tests of a package.
type suite struct {
	pkg  string // its folder
	args []string
}

// buildAll compiles the tests that a list of mutants needs, and makes sure that they pass as long as no mutant is in
// force. The mutant at i has the number i+1.
func buildAll(list []mutant, dir string) (*build, error) {
	all, err := combine(".", list)
	if err != nil {
		return nil, err
	}
	overlay, err := writeOverlay(dir, all.files())
	if err != nil {
		return nil, err
	}
	b := &build{dir}
	for _, pkg := range testedBy(list) {
		if err := b.compile(pkg, overlay); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, numbered(list))
		}
		if out, err := b.run(0, suite{pkg, []string{"-test.skip", exploration}}); err != nil {
			return nil, fmt.Errorf("the tests of %s fail without a mutant: %w\n%s", pkg, err, out)
		}
	}
	return b, nil
}

// combine puts all mutants of a list into the code. Its error names every one that does not fit.
func combine(root string, list []mutant) (combination, error) {
	all := combination{}
	var errs []error
	for i := range list {
		if err := all.addMutant(root, i+1, &list[i]); err != nil {
			errs = append(errs, fmt.Errorf("STALE: %w\nmake %s fit the code again", err, filepath.Join(patches, fileName(list[i].name))))
		}
	}
	return all, errors.Join(errs...)
}

func (c combination) addMutant(root string, number int, m *mutant) error {
	mutated, err := m.mutate(root)
	if err != nil {
		return err
	}
	for file, text := range mutated {
		original, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return err
		}
		if err := c.add(number, file, string(original), text); err != nil {
			return err
		}
	}
	return nil
}

// testedBy are the packages whose tests may have to catch one of the mutants.
func testedBy(list []mutant) (pkgs []string) {
	for _, m := range list {
		for _, s := range m.suites() {
			if !slices.Contains(pkgs, s.pkg) {
				pkgs = append(pkgs, s.pkg)
			}
		}
	}
	return pkgs
}

// numbered says which mutant has which number.
func numbered(list []mutant) string {
	var out strings.Builder
	for i, m := range list {
		fmt.Fprintf(&out, "mutant%d: %s\n", i+1, m.name)
	}
	return out.String()
}

func (b *build) binary(pkg string) string { return filepath.Join(b.dir, filepath.Base(pkg)+".test") }

func (b *build) compile(pkg, overlay string) error {
	out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", b.binary(pkg), "./"+pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("the tests of %s do not build with the mutants: %w\n%s", pkg, err, out)
	}
	return nil
}

// run runs a suite with one mutant in force, or none: its error says that a test failed.
func (b *build) run(number int, s suite) (string, error) {
	cmd := exec.Command(b.binary(s.pkg), append([]string{"-test.failfast", "-test.timeout", "5m"}, s.args...)...)
	cmd.Dir = filepath.FromSlash(s.pkg)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", inForce, number))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// writeOverlay writes files beside the checkout, and what tells the go command to read them instead.
func writeOverlay(dir string, files map[string]string) (string, error) {
	replace := map[string]string{}
	for path, text := range files {
		abs, err := filepath.Abs(filepath.FromSlash(path))
		if err != nil {
			return "", err
		}
		replace[abs] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[abs], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
