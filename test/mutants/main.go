// Command mutants proves that the tests of the heart can fail: it breaks the code in one named way
// after the other, each in an overlay that leaves the checkout alone, and runs the tests of what it broke. Each way
// is a patch in testdata, which `git apply` takes, too. A mutant that survives, or a patch that no longer applies
// to the code exactly, fails the run.
//
//	go run ./test/mutants [-run name]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

const (
	core        = "internal/slot"      // the decision, with its transcripts
	engine      = "internal/rotation"  // with the exploration
	exploration = "^TestNoCombination" // of the engine
	floor       = 25                   // fewer mutants than this prove too little
)

// What becomes of a mutant that could be tried.
const (
	caught   = "caught"
	survived = "SURVIVED"
)

func main() {
	only := flag.String("run", "", "only the mutants whose name contains this")
	flag.Parse()
	os.Exit(run(*only))
}

func run(only string) int {
	all, err := load(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var chosen []mutant
	for _, m := range all {
		if strings.Contains(m.name, only) {
			chosen = append(chosen, m)
		}
	}
	n := tryAll(chosen, dir)
	fmt.Printf("%d of %d mutants caught\n", n, len(chosen))
	if n < len(chosen) || only == "" && n < floor {
		return 1
	}
	return 0
}

// tryAll tries two mutants at a time, says what became of each, and returns how many were caught.
func tryAll(list []mutant, dir string) (n int) {
	verdicts := make([]string, len(list))
	next := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range next {
				verdicts[i] = list[i].try(filepath.Join(dir, fmt.Sprint(i)))
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	for i, v := range verdicts {
		fmt.Printf("%-9s %s\n", v, list[i].name)
		if v == caught {
			n++
		}
	}
	return n
}

// try returns caught, survived, or why the mutant could not be tried. Files of its own begin with base.
func (m *mutant) try(base string) string {
	mutated, err := m.mutate(".")
	if err != nil {
		return fmt.Sprintf("STALE: %v\nmake %s fit the code again:", err, filepath.Join(patches, fileName(m.name)))
	}
	overlay, err := writeOverlay(base, mutated)
	if err != nil {
		return err.Error()
	}
	verdict := survived
	for _, suite := range m.suites() {
		if verdict = underTest(overlay, suite); verdict != survived {
			break
		}
	}
	return verdict
}

// underTest runs a suite on a mutant.
func underTest(overlay string, suite []string) string {
	args := append([]string{"test", "-overlay", overlay, "-failfast", "-timeout", "5m"}, suite...)
	out, err := exec.Command("go", args...).CombinedOutput()
	switch {
	case err == nil:
		return survived
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		return "BROKEN: it does not build:\n" + string(out)
	}
	return caught
}

// writeOverlay writes the mutated files beside the checkout, and what tells the go command to read
// them instead.
func writeOverlay(base string, mutated map[string]string) (string, error) {
	replace := map[string]string{}
	for path, text := range mutated {
		abs, err := filepath.Abs(filepath.FromSlash(path))
		if err != nil {
			return "", err
		}
		replace[abs] = fmt.Sprintf("%s-%d.go", base, len(replace))
		if err := os.WriteFile(replace[abs], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	return base + ".json", os.WriteFile(base+".json", b, 0o600)
}
