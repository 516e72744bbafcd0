package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/slot"
)

// dirty steers a terminal: it clears the screen, in two ways, forges a line and turns the direction of writing.
const dirty = "x\x1b[2J\u009b2J\r\nrotatord: all is well\u202e\x7f"

// Whatever a daemon's answers hold (its journal may be an old one, and tokens have labels that others chose).
func TestNothingPrintedSteersTheTerminal(t *testing.T) {
	var out, errs bytes.Buffer
	failed := slot.Status{Slot: "live/subscribe", Note: dirty, Failure: &slot.Failure{Stage: slot.StageDeliver, Message: dirty}}
	unwell := slot.Status{Slot: "live/publish_subscribe", Sinks: []slot.TargetStatus{{Sink: "disk", Error: dirty}}}
	tokens := []adminapi.Token{
		{TokenID: dirty, Operations: []string{dirty}, Label: dirty, Owner: adminapi.Others, ServedBy: []string{dirty}},
		{Owner: adminapi.OtherInstance, Instance: dirty},
	}
	for _, output := range []string{"table", "json"} {
		a := &app{stdio: stdio{out: &out, err: &errs}, output: output}
		if err := errors.Join(
			a.printStatus(adminapi.SlotList{Slots: []slot.Status{failed, unwell}, Notes: []string{dirty}}), a.printTokens(tokens), a.printHistory([]slot.Event{{Stage: slot.StageMint, Detail: dirty, By: dirty}}),
		); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{stdio: stdio{out: &out, err: &errs}}
	a.say("FAIL  %v", errors.New(dirty))
	complain(&errs, &adminapi.Error{Text: dirty})
	text := out.String() + errs.String()
	if n := strings.Count(text, "2J"); n < 20 {
		t.Fatalf("the dirt is printed %d times only: the test cannot fail", n)
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is printed", r)
		}
	}
	if strings.Contains(out.String(), "\nrotatord: all is well") {
		t.Error("a line is forged")
	}
}

func TestALabelIsShownInQuotes(t *testing.T) {
	for label, want := range map[string]string{
		"studio": `others ("studio")`, "": "others", `rotatord prod") and (`: `others ("rotatord prod\") and (")`, strings.Repeat("l", 100): `others ("` + strings.Repeat("l", 63) + `…")`,
	} {
		if got := ownerWords(adminapi.Token{Owner: adminapi.Others, Label: label}); got != want {
			t.Errorf("%q: %s, want %s", label, got, want)
		}
	}
}

func TestCountsInWords(t *testing.T) {
	for n, want := range map[int]string{0: "0 slots", 1: "1 slot", 2: "2 slots"} {
		if got := count(n, "slot"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
