package main

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// findings is what a check of all packages found.
type findings struct {
	functions   int      // that are not exported
	singleWords []string // the names of those that are called by one word, sorted
	shared      []string // a sentence for each name with several owners
}

// share returns the part of the functions that are named by a single word, in percent, rounded up.
func (f *findings) share() int {
	if f.functions == 0 {
		return 0
	}
	return (100*len(f.singleWords) + f.functions - 1) / f.functions
}

func check(packages []sourcePackage, verbs []string) findings {
	var found findings
	for _, p := range packages {
		found.addPackage(p, verbs)
	}
	slices.Sort(found.singleWords)
	return found
}

func (f *findings) addPackage(p sourcePackage, verbs []string) {
	owners := map[string][]string{}
	for _, fn := range p.functions {
		if ast.IsExported(fn.name) || fn.name == "main" || fn.name == "_" {
			continue
		}
		f.functions++
		if isSingleWord(fn.name) {
			f.singleWords = append(f.singleWords, fn.name)
		}
		if !p.asked[fn.name] && !slices.Contains(verbs, fn.name) {
			owners[fn.name] = append(owners[fn.name], fn.owner)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		slices.Sort(owners[name])
		if of := slices.Compact(owners[name]); len(of) > 1 {
			f.shared = append(f.shared, fmt.Sprintf("%s: %s has %d owners: %s", p.dir, name, len(of), strings.Join(of, ", ")))
		}
	}
}

func isSingleWord(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool { return !unicode.IsLower(r) }) < 0
}

var verbList = regexp.MustCompile(`(?s)\n## Plain verbs\n\n(.*?) mean`)

// plainVerbs returns the verbs that the glossary's last section lists.
func plainVerbs(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := verbList.FindStringSubmatch(string(text))
	if list == nil {
		return nil, fmt.Errorf("%s: no section \"Plain verbs\" that begins with their list", path)
	}
	notLetters := func(r rune) bool { return !unicode.IsLetter(r) }
	verbs := strings.FieldsFunc(strings.ToLower(list[1]), notLetters)
	return slices.DeleteFunc(verbs, func(w string) bool { return w == "and" }), nil
}
