package config

import (
	"strings"
	"testing"
)

// What a template makes of a token shows when it is checked, not when the token is there.
func TestATemplateIsTriedWithARecordLikeEachStrategyHas(t *testing.T) {
	with := func(content, strategy string) string {
		text := strings.Replace(base, `/{{.Type}}"}`, `/{{.Type}}", fields: {content: '`+content+`'}}`, 1)
		return strings.Replace(text, "subscribe: {}", "subscribe: {strategy: "+strategy+"}", 1)
	}
	const dated = "{{slice .ExpiresAt 0 10}} {{.Token}}"
	for name, c := range map[string]struct{ text, refused, warned string }{
		"a word that overlap has":             {with(dated, "overlap"), "", ""},
		"a word that in_place has not":        {with(dated, "in_place"), "sinks.disk: no content can be made of a token of live-main/subscribe (in_place)", ""},
		"a part that a JWT has":               {with("{{slice .Token 0 20}} {{len .TokenID}}", "in_place"), "", ""},
		"a content that the store takes":      {with(strings.Repeat("{{.Token}}", 9), "overlap"), "", ""},
		"a content that it may not take":      {with(strings.Repeat("{{.Token}}", 10), "overlap"), "", "has 10240 bytes, and the store takes 10000"},
		"a sink that no slot of any kind has": {strings.Replace(base, `"moq/{{.Relay}}/{{.Type}}"}`, `"moq/{{.Relay}}/{{.Type}}", fields: {content: "{{slice .ExpiresAt 99}}"}}`, 1), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.refused != "" {
				if got := diagnosticsOf(t, c.text); !strings.Contains(got, c.refused) {
					t.Errorf("refused with %s, want %q", got, c.refused)
				}
				return
			}
			var warned []string
			for _, w := range parse(t, c.text).Warnings() {
				warned = append(warned, w.String())
			}
			if got := strings.Join(warned, "\n"); c.warned == "" && strings.Contains(got, "disk") || !strings.Contains(got, c.warned) {
				t.Errorf("warned of %q, want %q", got, c.warned)
			}
		})
	}
}

func TestAContentThatMayNotFitIsToldOnceForAllSlotsOfASink(t *testing.T) {
	text := strings.Replace(base, `/{{.Type}}"}`, `/{{.Type}}", fields: {content: "`+strings.Repeat("{{.Token}}", 10)+`"}}`, 1)
	text += "  second:\n    id: b1b2c3d4e5f67890a1b2c3d4e5f67890\n    tokens: {subscribe: {}, publish_subscribe: {strategy: in_place}}\n"
	if got := besideUnused(parse(t, text)); len(got) != 1 {
		t.Errorf("%d warnings, want one: %v", len(got), got)
	}
}
