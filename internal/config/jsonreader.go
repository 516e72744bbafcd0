package config

// This file is here only for very large fleets. JSON is YAML, and the YAML reader reads it as well; but to its
// scanner everything behind a "{" may turn out to be a key until the "}" is seen, so it queues the whole
// file: 904 MB for the 50,000 relays of one line that a generator writes. So a file that begins with "{" is
// read by encoding/json's tokens into the same nodes, each with its line and column. What is not JSON but
// YAML in braces is left to the YAML reader.

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// jsonReader makes nodes of JSON's tokens.
type jsonReader struct {
	data   []byte
	tokens *json.Decoder
	offset int // that at is the position of
	at     position
}

var errNotJSON = errors.New("not JSON")

// readJSON reads one JSON value and nothing behind it. Its error is a *syntaxError.
func readJSON(data []byte) (*yaml.Node, error) {
	r := &jsonReader{data: data, tokens: json.NewDecoder(bytes.NewReader(data)), at: position{1, 1}}
	r.tokens.UseNumber()
	root, err := r.readValue(0)
	if err == nil {
		if _, err = r.tokens.Token(); err == nil {
			err = errNotJSON
		}
	}
	if errors.Is(err, io.EOF) && root != nil {
		return root, nil
	}
	offset := r.offset
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = max(offset, int(syntax.Offset)-1)
	}
	return nil, &syntaxError{position: r.move(offset), text: "not valid JSON here"}
}

// readValue reads the next value with all that it holds.
func (r *jsonReader) readValue(depth int) (*yaml.Node, error) {
	token, n, err := r.next()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return r.readCollection(n, v, depth+1)
	case string:
		n.Tag, n.Value, n.Style = tagString, v, yaml.DoubleQuotedStyle
	case bool:
		n.Tag, n.Value = tagBool, map[bool]string{true: "true", false: "false"}[v]
	case json.Number:
		n.Tag, n.Value = tagInt, v.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = tagFloat
		}
	case nil:
		n.Tag, n.Value = tagNull, "null"
	}
	return n, nil
}

// readCollection reads on to the end of the object or array that begins with d.
func (r *jsonReader) readCollection(n *yaml.Node, d json.Delim, depth int) (*yaml.Node, error) {
	n.Kind, n.Tag = yaml.MappingNode, tagMapping
	if d == '[' {
		n.Kind, n.Tag = yaml.SequenceNode, tagSequence
	}
	for r.tokens.More() {
		item, err := r.readValue(depth)
		if err != nil || depth > maxDepth {
			return nil, errors.Join(err, errNotJSON)
		}
		n.Content = append(n.Content, item)
	}
	if _, err := r.tokens.Token(); err != nil {
		return nil, err // among others io.EOF: the rest is missing
	}
	n.Content = n.Content[:len(n.Content):len(n.Content)]
	return n, nil
}

// next reads a token, and makes a node at its place.
func (r *jsonReader) next() (json.Token, *yaml.Node, error) {
	offset := int(r.tokens.InputOffset())
	for offset < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[offset]) >= 0 {
		offset++
	}
	token, err := r.tokens.Token()
	at := r.move(offset)
	return token, &yaml.Node{Kind: yaml.ScalarNode, Line: at.line, Column: at.column}, err
}

// move returns the position of an offset that is not before the last one.
func (r *jsonReader) move(offset int) position {
	passed := r.data[r.offset:offset]
	r.offset = offset
	if lines := bytes.Count(passed, []byte("\n")); lines > 0 {
		r.at = position{r.at.line + lines, 1}
		passed = passed[bytes.LastIndexByte(passed, '\n')+1:]
	}
	r.at.column += utf8.RuneCount(passed)
	return r.at
}
