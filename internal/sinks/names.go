package sinks

import (
	"errors"
	"strings"
	"sync"
	"text/template"

	"github.com/rotatord/rotatord/internal/secret"
)

// Templates renders text/templates and keeps each parsed under its text: a
// large fleet shares few. The zero value is ready; it is safe for concurrent use.
type Templates struct{ parsed sync.Map }

// RenderTarget renders a target template over n. An unknown word is an error,
// and so is a template that yields nothing.
func (t *Templates) RenderTarget(text string, n Names) (string, error) {
	out, err := t.render(text, n)
	if err == nil && out == "" {
		return "", errors.New("the template yields an empty target")
	}
	return out, err
}

// RenderRecord renders a template over everything that is known of a token: the
// fields of Names and RotationID, Token, TokenID, ExpiresAt and RotatedAt. Its
// error never holds the token's value.
func (t *Templates) RenderRecord(text string, r Record) (secret.Value, error) {
	out, err := t.render(text, r.templateWords())
	if err == nil {
		return secret.New(out), nil
	}
	// A template's error may quote what it worked on: let it fail on no secret.
	r.Token = secret.New(secret.Redacted)
	if _, err := t.render(text, r.templateWords()); err != nil {
		return secret.Value{}, err
	}
	return secret.Value{}, errors.New("the template fails for this token's value")
}

func (t *Templates) render(text string, data any) (string, error) {
	parsed, err := t.parseOnce(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := parsed.Execute(&out, data); err != nil {
		return "", err
	}
	return out.String(), nil
}

func (t *Templates) parseOnce(text string) (*template.Template, error) {
	if p, ok := t.parsed.Load(text); ok {
		return p.(*template.Template), nil
	}
	p, err := template.New("template").Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, err
	}
	t.parsed.Store(text, p)
	return p, nil
}
