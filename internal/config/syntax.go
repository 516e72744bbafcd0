package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Bounds far above any real configuration; they keep a broken or hostile file
// from eating the stack or the memory.
const (
	maxBytes  = 64 << 20
	maxDepth  = 100
	maxIndent = 1000
)

// flaw is a fault of the text itself, found before there are any keys.
type flaw struct {
	position
	text, hint string
}

func (f *flaw) Error() string { return f.text }

func flawAt(t *token.Token, text, hint string) *flaw { return &flaw{positionOfToken(t), text, hint} }

// parseText reads one YAML document; a nil node means that there is nothing in it.
func parseText(data []byte) (ast.Node, error) {
	if err := checkBytes(data); err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	tokens, err := significant(lexer.Tokenize(string(data)))
	if err == nil {
		err = checkDepth(tokens)
	}
	if err != nil || len(tokens) == 0 {
		return nil, explain(err, data)
	}
	node, err := parseTokens(tokens)
	return node, explain(err, data)
}

func checkBytes(data []byte) error {
	if len(data) > maxBytes {
		return &flaw{position{1, 1}, fmt.Sprintf("the file is larger than %d MiB", maxBytes>>20), "is it the right file?"}
	}
	for line, at := 1, 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if bad := r == utf8.RuneError && size == 1 || r == 0; bad {
			column := at - bytes.LastIndexByte(data[:at], '\n')
			return &flaw{position{line, column}, "the file is not UTF-8 text", "save it as UTF-8"}
		}
		if r == '\n' {
			line++
		}
		at += size
	}
	return nil
}

// significant drops comments and the marks around the one document that there may be.
func significant(all token.Tokens) (token.Tokens, error) {
	out := make(token.Tokens, 0, len(all))
	headed, ended := false, false
	for _, t := range all {
		switch t.Type {
		case token.CommentType, token.SpaceType:
			continue
		case token.InvalidType:
			return nil, flawAt(t, t.Error, "")
		case token.DirectiveType:
			return nil, flawAt(t, "YAML directives are not supported", "remove the line")
		case token.DocumentEndType:
			ended = true
			continue
		case token.DocumentHeaderType:
			if len(out) == 0 && !headed && !ended {
				headed = true
				continue
			}
			ended = true
		}
		if ended {
			return nil, flawAt(t, "the file holds more than one YAML document", "keep one")
		}
		out = append(out, t)
	}
	return out, nil
}

// checkDepth refuses nesting that would exhaust the parser's stack.
func checkDepth(tokens token.Tokens) error {
	depth, nested, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, nested = t.Position.Line, 0
			if depth == 0 && t.Position.Column > maxIndent {
				return flawAt(t, "is nested too deeply", "")
			}
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			nested++
		}
		if depth > maxDepth || nested > maxDepth {
			return flawAt(t, "is nested too deeply", "")
		}
	}
	return nil
}

var quoted = regexp.MustCompile(`\s*(:\s*)?"(?:[^"\\]|\\.)*"?`)

// explain makes a *flaw of any error of the parser. What the parser quotes from
// the file is left out: it may be a secret.
func explain(err error, data []byte) error {
	var f *flaw
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
	case errors.As(err, &at):
		f = flawAt(at.GetToken(), at.GetMessage(), "")
	default:
		f = &flaw{position{1, 1}, "it cannot be parsed", ""}
	}
	if f.hint == "" && tabIndented(data, f.line) {
		f.hint = "YAML is indented with spaces, not tabs"
	}
	return &flaw{f.position, "not valid YAML: " + quoted.ReplaceAllString(f.text, ""), f.hint}
}

func tabIndented(data []byte, line int) bool {
	n := 0
	for text := range strings.Lines(string(data)) {
		if n++; n == line || n == line+1 {
			indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
			if strings.Contains(indent, "\t") {
				return true
			}
		}
	}
	return false
}
