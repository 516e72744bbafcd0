package slot

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

func TestATokenIsOfALivingNamesakeWhenNoAttemptOfOursCanHaveMadeIt(t *testing.T) {
	opened := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	id := func(letter string) string { return strings.Repeat("0", 25) + letter }
	r := &Record{
		PendingMint: &Rotation{ID: id("h")}, Rotation: &Rotation{ID: id("g")}, Current: &Token{RotationID: id("f")},
		Retiring: []Token{{RotationID: id("e")}}, Orphans: []Orphan{{RotationID: id("d")}},
		Exceptions: &Exceptions{ForgottenMints: ForgottenMints{ForgottenIDs: []string{id("c"), id("a")}, ForgottenThrough: id("c")}},
	}
	for _, tt := range []struct {
		what    string
		label   string
		age     time.Duration // after the journal was opened
		foreign bool
	}{
		{"a label that no attempt bore", moq.Label("here", id("z")), 2 * time.Minute, true},
		{"one between the attempts of ours", moq.Label("here", id("k")), time.Hour, true},
		{"created a minute after the journal was opened", moq.Label("here", id("z")), time.Minute, false},
		{"created before the journal was opened", moq.Label("here", id("z")), -time.Hour, false},
		{"another installation's", moq.Label("there", id("z")), time.Hour, false},
		{"no label of rotatord's", "here-" + id("z"), time.Hour, false},
		{"no label", "", time.Hour, false},
		{"of the mint under way", moq.Label("here", id("h")), time.Hour, false},
		{"of the latest rotation", moq.Label("here", id("g")), time.Hour, false},
		{"of the current token", moq.Label("here", id("f")), time.Hour, false},
		{"of a retiring token", moq.Label("here", id("e")), time.Hour, false},
		{"of a lost mint", moq.Label("here", id("d")), time.Hour, false},
		{"of a lost mint that was forgotten", moq.Label("here", id("c")), time.Hour, false},
		{"of another that was", moq.Label("here", id("a")), time.Hour, false},
		{"between those that were forgotten", moq.Label("here", id("b")), time.Hour, true},
	} {
		v := viewAfter(2*time.Hour, opened)
		token := moq.Token{Label: tt.label, Created: opened.Add(tt.age)}
		if got := v.OfForeignInstance(token, "here", r.HasUsed); got != tt.foreign {
			t.Errorf("%s: %t", tt.what, got)
		}
	}
}

// viewAfter is what a process sees that has run for a while since its journal was opened, by Cloudflare's time. Its own
// clock is an hour behind.
func viewAfter(running time.Duration, opened time.Time) *View {
	return &View{Times: Times{
		Now: opened.Add(running - time.Hour), Cloudflare: moq.CloudflareTime{Now: opened.Add(running)},
		Start: Reading{Boot: "one", Elapsed: time.Hour}, Clock: Reading{Boot: "one", Elapsed: time.Hour + running},
	}}
}

func TestNoTokenIsToldToBeANamesakesByAClockThatMayBeWrong(t *testing.T) {
	opened := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	former := moq.Token{Label: moq.Label("here", strings.Repeat("0", 25)+"z"), Created: opened.Add(-30 * time.Minute)}
	none := func(string) bool { return false }
	for _, tt := range []struct {
		running time.Duration
		known   bool // Cloudflare's time
		foreign bool
	}{
		{running: time.Minute},
		{running: time.Minute, known: true},
		{running: 10*time.Minute - time.Second},
		{running: 10 * time.Minute, foreign: true}, // our clock has to do
		{running: 10 * time.Minute, known: true},
	} {
		v := viewAfter(tt.running, opened)
		if !tt.known {
			v.Cloudflare = moq.CloudflareTime{}
		}
		if got := v.OfForeignInstance(former, "here", none); got != tt.foreign {
			t.Errorf("after %s, Cloudflare's time known: %t: a token that was there before is a namesake's: %t", tt.running, tt.known, got)
		}
	}
}

func TestALostMintThatWasForgottenIsKnownAgain(t *testing.T) {
	r := &Record{Orphans: []Orphan{{RotationID: "c", Label: "label c"}, {RotationID: "a", Label: "label a"}}}
	r.ForgetOrphan("label c")
	r.ForgetOrphan("label a")
	if len(r.Orphans) != 0 || r.LatestID() != "c" || !r.HasUsed("a") || r.HasUsed("b") || !r.HasUsed("c") {
		t.Errorf("forgotten: %+v, %d left", r.forgotten(), len(r.Orphans))
	}
}

func TestOfARecordOfAnOlderVersionTheLatestForgottenMintIsKnownAgain(t *testing.T) {
	var r Record
	if err := json.Unmarshal([]byte(`{"forgotten_through":"b"}`), &r); err != nil {
		t.Fatal(err)
	}
	if r.LatestID() != "b" || !r.HasUsed("b") || r.HasUsed("a") {
		t.Errorf("forgotten: %+v", r.forgotten())
	}
}
