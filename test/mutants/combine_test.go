package main

import (
	"go/format"
	"strings"
	"testing"
)

const sound = `package p

type n int

// sum adds.
func sum(_ string, a ...int) int {
	return len(a)
}

func (n) fail(int) {
	panic("")
}
`

func TestAFunctionThatMutantsChangeHandsOverToTheOneInForce(t *testing.T) {
	all := combination{}
	for i, to := range []string{"return 1", "return 2"} {
		if err := all.add(i+1, "x/p.go", sound, strings.Replace(sound, "return len(a)", to, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := all.add(3, "x/p.go", sound, strings.Replace(sound, "\tpanic(\"\")\n", "", 1)); err != nil {
		t.Fatal(err)
	}
	const want = `package p

type n int

// sum adds.
func sum(unnamed47 string, a ...int) int {
	switch mutantInForce {
	case 1:
		return mutant1_sum(unnamed47, a...)
	case 2:
		return mutant2_sum(unnamed47, a...)
	}
	return len(a)
}

func (unnamed95 n) fail(unnamed103 int) {
	switch mutantInForce {
	case 3:
		unnamed95.mutant3_fail(unnamed103)
		return
	}
	panic("")
}

func mutant1_sum(_ string, a ...int) int {
	return 1
}

func mutant2_sum(_ string, a ...int) int {
	return 2
}

func (n) mutant3_fail(int) {
}
`
	files := all.files()
	got, err := format.Source([]byte(files["x/p.go"]))
	if err != nil || string(got) != want {
		t.Errorf("%v: got\n%s\nwant\n%s", err, got, want)
	}
	if got := files["x/mutant_in_force.go"]; !strings.HasPrefix(got, "package p\n") || len(files) != 2 {
		t.Errorf("%d files; what tells the mutant in force is\n%s", len(files), got)
	}
}

func TestAMutantChangesOnlyWhatFunctionsDo(t *testing.T) {
	for old, with := range map[string]string{
		"type n int": "type n int64", "a ...int) int": "a ...int32) int", "func (n) fail": "func (n) fails",
	} {
		err := combination{}.add(1, "x/p.go", sound, strings.Replace(sound, old, with, 1))
		if err == nil || !strings.Contains(err.Error(), "it changes more of x/p.go than what functions do") {
			t.Errorf("%s: refused with %v", with, err)
		}
	}
}
