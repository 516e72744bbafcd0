package main

import (
	"errors"
	"testing"
)

// What dev says to type has to work where it was started, in a clone or from a package.
func TestDevNamesTheProgramThatCanBeCalledAgain(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/rotatord":                            "/usr/bin/rotatord",
		"/tmp/go-build2417/b001/exe/rotatord":          "go run ./cmd/rotatord",
		"/home/ada/.cache/go-build/5f/5f0c-d/rotatord": "go run ./cmd/rotatord",
	} {
		if got := callName(path, nil); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := callName("", errors.New("no /proc")); got != "rotatord" {
		t.Errorf("where its path is not known: %s", got)
	}
}
