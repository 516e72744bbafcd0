package sinks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

// Format is how a target that is one string spells a record.
type Format string

// The formats.
const (
	FormatRaw      Format = "raw"      // the token's value, nothing else
	FormatJSON     Format = "json"     // every field of the record
	FormatEnv      Format = "env"      // every field, as environment variables
	FormatTemplate Format = "template" // what a template says
)

// Render returns the content for r in format f; template is used by FormatTemplate alone.
// An error is a *fault.Error and does not hold the token's value.
func (f Format) Render(t *Templates, template string, r Record) (secret.Value, error) {
	v, err := f.render(t, template, r)
	switch {
	case err != nil:
		return secret.Value{}, renderError(r, err).WithHint("correct the sink's format or template")
	case r.Token.IsEmpty():
		return secret.Value{}, renderError(r, fmt.Errorf("the token's value is empty"))
	case v.IsEmpty():
		return secret.Value{}, renderError(r, fmt.Errorf("the content is empty")).WithHint("correct the sink's template")
	}
	return v, nil
}

func (f Format) render(t *Templates, template string, r Record) (secret.Value, error) {
	switch f {
	case FormatRaw:
		return r.Token, nil
	case FormatJSON:
		return r.JSON(), nil
	case FormatEnv:
		return r.Env()
	case FormatTemplate:
		return t.RenderRecord(template, r)
	}
	return secret.Value{}, fmt.Errorf("unknown format %q", string(f))
}

func renderError(r Record, err error) *fault.Error {
	return &fault.Error{Class: fault.Permanent, Reason: fault.Invalid, Op: "render", Object: r.Relay + "/" + r.Type, Err: err}
}

// Diagnostics checks the keys format and template of a sink that offers the formats allowed.
func (f Format) Diagnostics(template string, allowed ...Format) []Diagnostic {
	switch {
	case !slices.Contains(allowed, f):
		return []Diagnostic{{Key: "format", Text: fmt.Sprintf("unknown format %q", string(f)), Hint: "one of " + joinFormats(allowed)}}
	case f != FormatTemplate && template != "":
		return []Diagnostic{{Key: "template", Text: "given, but the format is " + string(f), Hint: "set format: template, or remove it"}}
	case f != FormatTemplate:
		return nil
	case template == "":
		return []Diagnostic{{Key: "template", Text: "missing", Hint: `format: template needs one, such as "{{.Token}}"`}}
	}
	return templateDiagnostics(template)
}

func templateDiagnostics(template string) []Diagnostic {
	record := Trial(SampleNames(), TrialSize, false)
	v, err := new(Templates).RenderRecord(template, record)
	record.Token = secret.New(record.Token.Reveal() + "b")
	other, _ := new(Templates).RenderRecord(template, record)
	switch {
	case err != nil:
		return []Diagnostic{{Key: "template", Text: err.Error(), Hint: recordHint}}
	case v.IsEmpty():
		return []Diagnostic{{Key: "template", Text: "yields nothing", Hint: recordHint}}
	case v.Equal(other):
		return []Diagnostic{{Key: "template", Warning: true,
			Text: "does not hold the token: who reads it is given no new one before the old one is revoked",
			Hint: "write {{.Token}} where the value is to stand"}}
	}
	return nil
}

func joinFormats(fs []Format) string {
	var out []string
	for _, f := range fs {
		out = append(out, string(f))
	}
	return strings.Join(out, ", ")
}

const (
	targetWords = ".Relay .RelayID .Type .Account .AccountID .Instance"
	recordWords = targetWords + " .RotationID .Token .TokenID .ExpiresAt .RotatedAt"
	// TargetHint lists what a target's template may say.
	TargetHint = "words: " + targetWords + functionsHint
	recordHint = "words: " + recordWords + functionsHint
)

// SampleNames are harmless words of the right form, to try a template with.
func SampleNames() Names {
	const id = "0123456789abcdef0123456789abcdef"
	return Names{Relay: "relay", RelayID: id, Type: "subscribe", Account: "account", AccountID: id, Instance: "default"}
}

// TargetDiagnostics checks the target template at key: that it renders, and that
// locate accepts what it gives.
func TargetDiagnostics(key, template string, locate func(string) (string, error)) []Diagnostic {
	if template == "" {
		return []Diagnostic{{Key: key, Text: "missing", Hint: "a template over " + targetWords}}
	}
	target, err := new(Templates).RenderTarget(template, SampleNames())
	if err != nil {
		return []Diagnostic{{Key: key, Text: err.Error(), Hint: TargetHint}}
	}
	if _, err := locate(target); err != nil {
		return []Diagnostic{{Key: key, Text: err.Error()}}
	}
	return nil
}
