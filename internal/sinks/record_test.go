package sinks_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

const canary = "canary-7f3a9c"

func sample() sinks.Record {
	return sinks.Record{
		Names: sinks.Names{
			Relay: "live-main", RelayID: "a1b2", Type: "subscribe", Account: "main", AccountID: "023e", Instance: "default",
		},
		Token: secret.New(canary + "&<>"), TokenID: "0123", RotationID: "01jd",
		RotatedAt: time.Date(2026, 11, 23, 6, 0, 0, 0, time.FixedZone("", 2*3600)),
		ExpiresAt: time.Date(2026, 12, 23, 4, 0, 0, 0, time.UTC),
	}
}

// inPlace is what is known of a token that the rotate endpoint gave.
func inPlace() sinks.Record {
	r := sample()
	r.TokenID, r.ExpiresAt = "", time.Time{}
	return r
}

func render(t *testing.T, f sinks.Format, template string, r sinks.Record) string {
	t.Helper()
	v, err := f.Render(new(sinks.Templates), template, r)
	if err != nil {
		t.Fatal(err)
	}
	return v.Reveal()
}

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		format   sinks.Format
		template string
		record   sinks.Record
		want     string
	}{
		"raw is the value and nothing else": {sinks.FormatRaw, "", sample(), canary + "&<>"},
		"json is the record in documented order, unescaped": {sinks.FormatJSON, "", sample(), `{"token":"canary-7f3a9c&<>","type":"subscribe",` +
			`"relay":"live-main","relay_id":"a1b2","account_id":"023e","token_id":"0123","rotation_id":"01jd",` +
			`"rotated_at":"2026-11-23T04:00:00Z","expires_at":"2026-12-23T04:00:00Z"}`},
		"env quotes what needs it": {sinks.FormatEnv, "", sample(), `MOQ_TOKEN="canary-7f3a9c&<>"` + `
MOQ_TYPE=subscribe
MOQ_RELAY=live-main
MOQ_RELAY_ID=a1b2
MOQ_ACCOUNT_ID=023e
MOQ_TOKEN_ID=0123
MOQ_ROTATION_ID=01jd
MOQ_ROTATED_AT=2026-11-23T04:00:00Z
MOQ_EXPIRES_AT=2026-12-23T04:00:00Z
`},
		"env leaves empty what in_place does not know": {sinks.FormatEnv, "", inPlace(), `MOQ_TOKEN="canary-7f3a9c&<>"` + `
MOQ_TYPE=subscribe
MOQ_RELAY=live-main
MOQ_RELAY_ID=a1b2
MOQ_ACCOUNT_ID=023e
MOQ_TOKEN_ID=
MOQ_ROTATION_ID=01jd
MOQ_ROTATED_AT=2026-11-23T04:00:00Z
MOQ_EXPIRES_AT=
`},
		"template sees every word": {
			sinks.FormatTemplate, "{{.Relay}} {{.RelayID}} {{.Type}} {{.Account}} {{.AccountID}} {{.Instance}} {{.RotationID}} {{.Token}} {{.TokenID}} {{.ExpiresAt}} {{.RotatedAt}}",
			sample(), "live-main a1b2 subscribe main 023e default 01jd canary-7f3a9c&<> 0123 2026-12-23T04:00:00Z 2026-11-23T04:00:00Z",
		},
		"template shows an unknown time as empty": {sinks.FormatTemplate, "{{.Token}}|{{.ExpiresAt}}|", inPlace(), canary + "&<>||"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := render(t, c.format, c.template, c.record); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// awkward are values that quoting gets wrong.
var awkward = []string{
	"plain", "a b", `"`, `'`, `\`, `\n`, "a\nb", "$HOME", "${HOME}", "`id`", "$(id)", "a#b", "#a", "a;b", "~", "*", "é", "\t", `\\"$`, `a=b`, "!x",
}

func TestAShellReadsBackWhatEnvWrote(t *testing.T) {
	for _, value := range awkward {
		r := sample()
		r.Token = secret.New(value)
		file := filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(file, []byte(render(t, sinks.FormatEnv, "", r)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", `. "$0"; printf %s "$MOQ_TOKEN"; printf %s "$MOQ_EXPIRES_AT" >&2`, file).Output()
		if err != nil || string(out) != value {
			t.Errorf("a shell reads %q as %q (%v)", value, out, err)
		}
	}
}

func TestJSONReadsBack(t *testing.T) {
	for _, value := range awkward {
		r := sample()
		r.Token = secret.New(value)
		var got map[string]string
		if err := json.Unmarshal([]byte(render(t, sinks.FormatJSON, "", r)), &got); err != nil || got["token"] != value || len(got) != 9 {
			t.Errorf("%q comes back as %q with %d fields (%v)", value, got["token"], len(got), err)
		}
	}
}

func TestWhatCannotBeRenderedIsAPermanentErrorWithoutTheValue(t *testing.T) {
	nul := sample()
	nul.Token = secret.New(canary + "\x00")
	empty := sample()
	empty.Token = secret.Value{}
	for name, c := range map[string]struct {
		format   sinks.Format
		template string
		record   sinks.Record
	}{
		"an unknown format":                       {"xml", "", sample()},
		"an unknown word":                         {sinks.FormatTemplate, "{{.Nope}}", sample()},
		"a template that does not parse":          {sinks.FormatTemplate, "{{", sample()},
		"a template that yields nothing":          {sinks.FormatTemplate, "{{if false}}x{{end}}", sample()},
		"a template that fails for any value":     {sinks.FormatTemplate, "{{index .Token 9999}}", sample()},
		"a template that fails for this value":    {sinks.FormatTemplate, `{{if ne .Token "[redacted]"}}{{index .Token 9999}}{{end}}`, sample()},
		"a template that would quote the value":   {sinks.FormatTemplate, `{{template .Token}}`, sample()},
		"a template that quotes it as its object": {sinks.FormatTemplate, `{{printf .Token | call}}`, sample()},
		"a NUL in an environment":                 {sinks.FormatEnv, "", nul},
		"an empty token":                          {sinks.FormatRaw, "", empty},
		"an empty token in a record":              {sinks.FormatJSON, "", empty},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.format.Render(new(sinks.Templates), c.template, c.record)
			var f *fault.Error
			if !errors.As(err, &f) || f.Class != fault.Permanent || f.Reason != fault.Invalid || f.Object != "live-main/subscribe" {
				t.Fatalf("error = %v", err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the value shows in %q", err)
			}
		})
	}
}

func TestTargetsAreRenderedFromNamesAlone(t *testing.T) {
	var templates sinks.Templates
	for text, want := range map[string]string{
		"{{.Relay}}/{{.RelayID}}/{{.Type}}":          "live-main/a1b2/subscribe",
		"{{.Account}}/{{.AccountID}}/{{.Instance}}":  "main/023e/default",
		`moq/{{if eq .Type "subscribe"}}sub{{end}}`:  "moq/sub",
		`{{.Relay | replace "live" "test" | upper}}`: "TEST-MAIN",
		"{{.Token}}":           "",
		"{{.RotationID}}":      "",
		"{{.Nope}}":            "",
		"{{":                   "",
		"{{if false}}x{{end}}": "",
		"":                     "",
	} {
		for range 2 { // the second is from the cache
			got, err := templates.RenderTarget(text, sample().Names)
			if got != want || (err == nil) != (want != "") {
				t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
			}
		}
	}
}

func TestOneTemplateIsParsedOnce(t *testing.T) {
	var templates sinks.Templates
	names := sample().Names
	render := func() {
		if _, err := templates.RenderTarget("/var/lib/{{.Relay}}/{{.Type}}", names); err != nil {
			t.Fatal(err)
		}
	}
	render()
	if cached, fresh := testing.AllocsPerRun(100, render), testing.AllocsPerRun(100, func() { templates = sinks.Templates{}; render() }); cached*2 > fresh {
		t.Errorf("a cached template takes %.0f allocations, a fresh one %.0f", cached, fresh)
	}
}
