package sinks

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
)

// FuzzTemplates: no template of an operator's makes rotatord panic or shows the
// value in an error.
func FuzzTemplates(f *testing.F) {
	for _, text := range []string{
		"{{.Relay}}/{{.Type}}", "{{.Token}}", "{{.Nope}}", "{{", "{{.Token.Nope}}", "{{index .Token 99}}", "{{len .Token | slice .Token 3}}",
		`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "{{call .Token}}", "{{.Token | html | js}}", "{{if .ExpiresAt}}x{{end}}",
		"{{.Type | dns}}", "{{upper .Relay}}/{{.Type | lower}}", `{{.Token | replace "." "-" | upper}}`,
		`{{replace "a" .Token}}`, "{{.Token | dns | call}}",
	} {
		f.Add(text)
	}
	const canary = "canary.0123456789abcdef.canary"
	r := Record{Names: SampleNames(), Token: secret.New(canary), TokenID: "id"}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "printf") || strings.Count(text, "replace") > 3 || strings.Contains(text, canary) {
			return // a wide printf is slow, so is what is replaced by more, and the canary must come from the record alone
		}
		var templates Templates
		_, _ = templates.RenderTarget(text, r.Names)
		if _, err := templates.RenderRecord(text, r); err != nil && strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("the error shows the value: %v", err)
		}
	})
}
