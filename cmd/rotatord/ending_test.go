package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/slot"
)

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

func TestWhatASingleRunLeftFailingIsSaidSlotBySlot(t *testing.T) {
	err := errors.Join(errors.New("stop journal: no"), errSlots{of: 3, failed: []slot.Status{
		{Slot: "live/subscribe", Relay: "live", Failure: &slot.Failure{Stage: slot.StageMint, Message: "answers 500\x1b[2J"}},
	}})
	var people, machines bytes.Buffer
	complain(&people, err)
	lines := logging.New(&machines)
	logFailure(logging.NewLogger(lines, zap.NewAtomicLevel(), "json"), err)
	lines.Close()
	want := "live/subscribe: mint: answers 500\\x1b[2J\nrotatord: stop journal: no\n1 of 3 slots failed; run again to retry\n"
	if people.String() != want {
		t.Errorf("to people: %s", people.String())
	}
	for _, part := range []string{
		`"slot":"live/subscribe","relay":"live","step":"mint","error":"answers 500\\x1b[2J"}` + "\n",
		`"error":"stop journal: no\n1 of 3 slots failed; run again to retry"}` + "\n",
	} {
		if !strings.Contains(machines.String(), part) {
			t.Errorf("it lacks %s: %s", part, machines.String())
		}
	}
}
