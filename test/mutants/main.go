// Command mutants proves that the tests of the heart can fail: it breaks the code in one named way
// after the other, in an overlay that leaves the checkout alone, and runs the tests of what it broke. Each way
// is a patch in testdata, which `git apply` takes, too. A mutant that survives, or a patch that no longer applies
// to the code exactly, fails the run.
//
//	go run ./test/mutants [-run name]
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
)

const (
	core        = "internal/slot"      // the decision, with its transcripts
	engine      = "internal/rotation"  // with the exploration
	exploration = "^TestNoCombination" // of the engine
	floor       = 25                   // fewer mutants than this prove too little
)

// What becomes of a mutant.
const (
	caught    = "caught"
	survived  = "SURVIVED"
	undecided = "TIMED OUT" // which shows nothing: the tests may be slow
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
	b, err := buildAll(chosen, dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	n := b.tryAll(chosen)
	fmt.Printf("%d of %d mutants caught\n", n, len(chosen))
	if n < len(chosen) || only == "" && n < floor {
		return 1
	}
	return 0
}

// tryAll tries two mutants at a time, says what becomes of each, and returns how many were caught.
func (b *build) tryAll(list []mutant) (n int) {
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 2 {
		wg.Go(func() {
			for i := range next {
				verdict := b.try(i+1, &list[i])
				mu.Lock()
				fmt.Printf("%-9s %s\n", verdict, list[i].name)
				if verdict == caught {
					n++
				}
				mu.Unlock()
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	return n
}

// try returns what becomes of a mutant of a number.
func (b *build) try(number int, m *mutant) string {
	for _, s := range m.suites() {
		out, err := b.run(number, s)
		switch {
		case err != nil && strings.Contains(out, "panic: test timed out"):
			return undecided
		case err != nil:
			return caught
		}
	}
	return survived
}
