package main

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// All mutants are compiled together, since compiling one takes longer than its tests do: a function that they change
// gets a copy for each, and hands over to that of the mutant in force.

// inForce is the environment variable that names the mutant in force by its number.
const inForce = "ROTATORD_MUTANT"

// combination is the code with all mutants in it: its files by their path from the root.
type combination map[string]*combinedFile

// combinedFile is a file, and what mutants made of its functions.
type combinedFile struct {
	*goFile
	mutants map[string][]int // the numbers of those that change a function, by its key
	copies  strings.Builder
}

// edit puts text in the place of what stands from one offset up to another.
type edit struct {
	from, to int
	text     string
}

// add adds a file as the mutant of a number changes it.
func (c combination) add(number int, file, original, mutated string) error {
	if c[file] == nil {
		src, err := parseGoFile(original)
		if err != nil {
			return err
		}
		c[file] = &combinedFile{goFile: src, mutants: map[string][]int{}}
	}
	m, err := parseGoFile(mutated)
	if err != nil {
		return err
	}
	if m.outside() != c[file].outside() {
		return fmt.Errorf("it changes more of %s than what functions do", file)
	}
	for key := range m.functions {
		if m.function(key) != c[file].function(key) {
			c[file].mutants[key] = append(c[file].mutants[key], number)
			c[file].copies.WriteString("\n" + m.renamed(key, copyName(number, m.functions[key].Name.Name)) + "\n")
		}
	}
	return nil
}

// copyName is the name of the copy of a function that a mutant has.
func copyName(number int, function string) string {
	return fmt.Sprintf("mutant%d_%s", number, function)
}

// files returns the texts of the files, by their path, and of one more in each package that tells which mutant is in
// force.
func (c combination) files() map[string]string {
	out := map[string]string{}
	for file, f := range c {
		out[file] = f.combined()
		out[path.Join(path.Dir(file), "mutant_in_force.go")] = "package " + f.name + "\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\n" +
			"var mutantInForce, _ = strconv.Atoi(os.Getenv(\"" + inForce + "\"))\n"
	}
	return out
}

// combined is the file with functions that hand over to their copies.
func (f *combinedFile) combined() string {
	var edits []edit
	for key, numbers := range f.mutants {
		edits = append(edits, f.handOver(key, numbers)...)
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(b.from, a.from) })
	out := f.goFile.text
	for _, e := range edits {
		out = out[:e.from] + e.text + out[e.to:]
	}
	return out + f.copies.String()
}

// handOver has a function begin with the choice of a copy. That needs a name for each of its parameters.
func (f *combinedFile) handOver(key string, numbers []int) []edit {
	decl := f.functions[key]
	edits, arguments := f.named(decl.Type.Params)
	receiver := ""
	if decl.Recv != nil {
		more, names := f.named(decl.Recv)
		edits, receiver = append(edits, more...), names[0]+"."
	}
	var choice strings.Builder
	choice.WriteString("\n\tswitch mutantInForce {")
	for _, n := range numbers {
		call := receiver + copyName(n, decl.Name.Name) + "(" + strings.Join(arguments, ", ") + ")"
		if decl.Type.Results != nil {
			call = "return " + call
		}
		fmt.Fprintf(&choice, "\n\tcase %d:\n\t\t%s", n, call)
		if decl.Type.Results == nil {
			choice.WriteString("\n\t\treturn")
		}
	}
	choice.WriteString("\n\t}")
	at := f.offset(decl.Body.Lbrace) + 1
	return append(edits, edit{at, at, choice.String()})
}
