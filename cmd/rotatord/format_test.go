package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
)

func TestCountsInWords(t *testing.T) {
	for n, want := range map[int]string{0: "0 slots", 1: "1 slot", 2: "2 slots"} {
		if got := count(n, "slot"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("failed"), 1}, {errUsage{errors.New("wrong use")}, 2}, {fmt.Errorf("wrapped: %w", errUsage{errors.New("wrong use")}), 2},
		{config.Diagnostics{{File: "x", Line: 1, Column: 1}}, 2}, {fmt.Errorf("%w at x", adminapi.ErrNoDaemon), 3},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestFaultsAreListedOneALineAsEditorsReadThem(t *testing.T) {
	var b bytes.Buffer
	complain(&b, fmt.Errorf("wrapped: %w", config.Diagnostics{{File: "c.yaml", Line: 3, Column: 5, Path: "a", Text: "is wrong"}, {File: "c.yaml", Line: 4, Column: 1, Text: "so is this"}}))
	want := "c.yaml:3:5: a: is wrong\nc.yaml:4:1: so is this\nrotatord: 2 faults in the configuration; nothing was done\n"
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}
