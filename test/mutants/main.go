// Command mutants proves that the tests of the heart can fail: it breaks
// internal/slot and internal/rotation in one named way after the other, each in an overlay that
// leaves the checkout alone, and runs the tests of internal/rotation. A mutant that
// survives, or a mutation that no longer fits the code, fails the run.
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
	target = "internal"
	floor  = 25 // fewer mutants than this prove too little
)

func main() {
	only := flag.String("run", "", "only the mutants whose name contains this")
	flag.Parse()
	os.Exit(run(*only))
}

func run(only string) int {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var chosen []mutant
	for _, m := range mutants() {
		if strings.Contains(m.name, only) {
			chosen = append(chosen, m)
		}
	}
	caught := tryAll(chosen, dir)
	fmt.Printf("%d of %d mutants caught\n", caught, len(chosen))
	if caught < len(chosen) || only == "" && caught < floor {
		return 1
	}
	return 0
}

// tryAll tries two mutants at a time and says what became of each.
func tryAll(list []mutant, dir string) (caught int) {
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
		if v == "caught" {
			caught++
		}
	}
	return caught
}

// mutant is one way to break the code: old, which stands in file exactly once,
// becomes new.
type mutant struct {
	name, file, old, new string
}

// try gives "caught", survived, or why the mutation could not be tried.
func (m mutant) try(base string) string {
	path := filepath.Join(target, m.file)
	src, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if n := strings.Count(string(src), m.old); n != 1 {
		return fmt.Sprintf("STALE: its text stands %d times in %s;", n, m.file)
	}
	overlay, err := m.overlay(base, path, strings.Replace(string(src), m.old, m.new, 1))
	if err != nil {
		return err.Error()
	}
	const exploration = "^TestNoCombination"
	verdict := underTest(overlay, "-skip", exploration) // most are caught without it, in no time
	if verdict == survived {
		verdict = underTest(overlay, "-run", exploration)
	}
	return verdict
}

const survived = "SURVIVED"

// underTest runs some of the package's tests on a mutant.
func underTest(overlay string, which ...string) string {
	args := append([]string{"test", "-overlay", overlay, "-failfast", "-timeout", "5m"}, which...)
	args = append(args, "./internal/rotation", "-explore.all", "-explore.depth=1", "-explore.walks=100", "-explore.seed=1")
	out, err := exec.Command("go", args...).CombinedOutput()
	switch {
	case err == nil:
		return survived
	case strings.Contains(string(out), "[build failed]"):
		return "BROKEN: it does not build:\n" + string(out)
	}
	return "caught"
}

// overlay writes the mutated file beside the checkout, and what tells the go
// command to read it instead.
func (m mutant) overlay(base, path, mutated string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	file, overlay := base+".go", base+".json"
	b, err := json.Marshal(map[string]map[string]string{"Replace": {abs: file}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(mutated), 0o600); err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, b, 0o600)
}
