package sinks_test

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks"
)

func TestATemplateMayChangeTheCaseAndTheLettersOfAWord(t *testing.T) {
	names := sample().Names
	names.Relay, names.Type = "Live_Main.a", "publish_subscribe"
	for text, want := range map[string]string{
		"moq-{{.Relay | dns}}-{{.Type | dns}}":     "moq-live-main.a-publish-subscribe",
		"MOQ_{{.Type | upper}}":                    "MOQ_PUBLISH_SUBSCRIBE",
		"{{.Relay | lower}}":                       "live_main.a",
		`{{.Relay | replace "." "/"}}`:             "Live_Main/a",
		`{{.Type | replace "publish_" ""}}`:        "subscribe",
		`{{.Relay | replace "none" "x"}}`:          "Live_Main.a",
		`{{replace "_" "" .Type | upper}}`:         "PUBLISHSUBSCRIBE",
		`{{.Type | replace "_" "-" | lower}}`:      "publish-subscribe",
		`{{if eq (upper .Type) "X"}}a{{end}}moq`:   "moq",
		`{{.AccountID | upper}}/{{dns .Instance}}`: "023E/default",
	} {
		if got, err := new(sinks.Templates).RenderTarget(text, names); got != want || err != nil {
			t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestContentsHaveTheFunctionsOfTargets(t *testing.T) {
	r := sample()
	r.Type = "publish_subscribe"
	const text = `{{.Type | dns}} {{.TokenID | upper}} {{.Token | replace "canary" "x" | lower}}`
	got := render(t, sinks.FormatTemplate, text, r)
	if want := "publish-subscribe 0123 x-7f3a9c&<>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFunctionThatThereIsNotIsToldWithThoseThatThereAre(t *testing.T) {
	locate := func(string) (string, error) { return "", nil }
	for _, text := range []string{"{{.Type | kebab}}", `{{.Type | replace "a"}}`, "{{dns}}"} {
		diagnostics := sinks.TargetDiagnostics("path", text, locate)
		diagnostics = append(diagnostics, sinks.FormatTemplate.Diagnostics(text, sinks.FormatTemplate)...)
		if len(diagnostics) != 2 {
			t.Fatalf("%s: %d diagnostics, want one of the target and one of the content", text, len(diagnostics))
		}
		for _, p := range diagnostics {
			if !strings.HasSuffix(p.Hint, `functions: dns, upper, lower, replace "a" "b"`) {
				t.Errorf("%s: %s (%s), want a hint that lists the functions", text, p.Text, p.Hint)
			}
		}
	}
}
