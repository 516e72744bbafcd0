// Command names holds what the glossary asks of names: few unexported functions are called by a single word,
// and none by a word that something else in its package is called by. `make lint` runs it.
//
//	go run ./test/names [-v]
//
// Two methods share a name rightly if an interface of their package asks for it, or if it is one of the glossary's
// plain verbs. Tests, and what is under test/, are left out.
package main

import (
	"flag"
	"fmt"
	"os"
)

// mostSingleWords is the share of unexported functions, in percent, that may be named by one word.
const mostSingleWords = 25

func main() {
	verbose := flag.Bool("v", false, "print the single words, too")
	flag.Parse()
	os.Exit(run(".", *verbose))
}

func run(root string, verbose bool) int {
	verbs, err := plainVerbs(root + "/docs/glossary.md")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	packages, err := load(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	found := check(packages, verbs)
	for _, shared := range found.shared {
		fmt.Println(shared)
	}
	fmt.Printf("%d of %d unexported functions are named by a single word: %d %% (at most %d %%)\n",
		len(found.singleWords), found.functions, found.share(), mostSingleWords)
	if verbose {
		fmt.Println(found.singleWords)
	}
	if len(found.shared) > 0 || found.share() > mostSingleWords {
		return 1
	}
	return 0
}
