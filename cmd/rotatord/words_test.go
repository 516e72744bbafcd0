package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
)

func TestSpanGivesTheTwoLargestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 999 * time.Millisecond: "0s", 59 * time.Second: "59s", time.Minute: "1m0s",
		61 * time.Minute: "1h1m", 24*time.Hour - time.Second: "23h59m", 49 * time.Hour: "2d1h", 400 * 24 * time.Hour: "400d0h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestMomentsInWords(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct{ got, want string }{
		{until(now, time.Time{}), "-"}, {until(now, now), "now"}, {until(now, now.Add(-time.Hour)), "now"}, {until(now, now.Add(90*time.Minute)), "in 1h30m"},
		{ago(now, time.Time{}), "never"}, {ago(now, now.Add(-time.Hour)), "1h0m"}, {ago(now, now.Add(time.Hour)), "0s"},
		{clock(time.Time{}), "-"}, {clock(now), "2026-03-01 11:00:00Z"},
		{count(1, "slot"), "1 slot"}, {count(0, "slot"), "0 slots"}, {count(2, "slot"), "2 slots"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("failed"), 1}, {errUsage{errors.New("wrong use")}, 2}, {fmt.Errorf("wrapped: %w", errUsage{errors.New("wrong use")}), 2},
		{config.Faults{{File: "x", Line: 1, Column: 1}}, 2}, {fmt.Errorf("%w at x", adminapi.ErrNoDaemon), 3},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestFaultsAreListedOneALineAsEditorsReadThem(t *testing.T) {
	var b bytes.Buffer
	complain(&b, fmt.Errorf("wrapped: %w", config.Faults{{File: "c.yaml", Line: 3, Column: 5, Path: "a", Text: "is wrong"}, {File: "c.yaml", Line: 4, Column: 1, Text: "so is this"}}))
	want := "c.yaml:3:5: a: is wrong\nc.yaml:4:1: so is this\nrotatord: 2 faults in the configuration; nothing was done\n"
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}
