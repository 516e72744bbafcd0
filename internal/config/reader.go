package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Bounds far above any real configuration; they keep a broken or hostile file
// from eating the stack or the memory.
const (
	maxBytes = 64 << 20
	maxDepth = 100
	// A broken file that begins like JSON is read as YAML, which is laxer and explains itself better, up to
	// this size: see jsonreader.go for what the YAML reader would take for a longer one.
	maxYAMLInBraces = 4 << 20
)

// position is a place in the file, from 1; columns count characters.
type position struct{ line, column int }

// syntaxError is what is wrong with the text itself, found before there are any values.
type syntaxError struct {
	position
	path       string // the key whose value it is; may be empty
	text, hint string
}

func (e *syntaxError) Error() string { return e.text }

func errEmpty() *syntaxError {
	return &syntaxError{position: position{1, 1}, text: "the file is empty",
		hint: "config.example.yaml is one to start from"}
}

// readDocument reads the one YAML or JSON document of a file. Its error is a *syntaxError.
func readDocument(data []byte) (*document, error) {
	if err := checkBytes(data); err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		root, err := readJSON(data)
		if err == nil {
			return newDocument(data, root, nil), nil
		}
		if len(data) > maxYAMLInBraces {
			return nil, err
		}
	}
	return readYAML(data)
}

// checkBytes refuses what is too large, and what is no text.
func checkBytes(data []byte) error {
	if len(data) > maxBytes {
		return &syntaxError{
			position: position{1, 1},
			text:     fmt.Sprintf("the file is larger than %d MiB", maxBytes>>20), hint: "is it the right file?",
		}
	}
	if utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 {
		return nil
	}
	return &syntaxError{position: firstNoText(data), text: "the file is not UTF-8 text", hint: "save it as UTF-8"}
}

// firstNoText returns the place of the first byte that is no text; its column counts bytes.
func firstNoText(data []byte) position {
	at := 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 || r == 0 {
			break
		}
		at += size
	}
	return position{1 + bytes.Count(data[:at], []byte("\n")), at - bytes.LastIndexByte(data[:at], '\n')}
}

// asSyntaxError returns err as what it is; nil for no error.
func asSyntaxError(err error) *syntaxError {
	e, _ := errors.AsType[*syntaxError](err)
	return e
}
