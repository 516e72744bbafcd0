package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The parser takes time and memory in the square of a mapping's length (50,000
// relays: 9 s and 10 GB of garbage). So a long block mapping is parsed in
// pieces of about this many tokens, which are joined afterwards.
const pieceTokens = 2048

// parseTokens parses one document. It never panics.
func parseTokens(tokens token.Tokens) (node ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser panics on some broken inputs
			node, err = nil, fmt.Errorf("the YAML parser failed: %v", r)
		}
	}()
	return parsePieces(tokens)
}

func parsePieces(tokens token.Tokens) (ast.Node, error) {
	if len(tokens) <= pieceTokens || !isBlockMapping(tokens) {
		return parseWhole(tokens)
	}
	var joined *ast.MappingNode
	for _, piece := range split(tokens) {
		node, err := parsePiece(piece)
		if err != nil {
			return nil, err
		}
		m, ok := node.(*ast.MappingNode)
		switch {
		case !ok:
			return nil, flawAt(piece[0], "a key and its value are expected here", "")
		case joined == nil:
			joined = m
		default:
			joined.Values = append(joined.Values, m.Values...)
		}
	}
	return joined, nil
}

// parsePiece parses some entries of a mapping. One entry that is long itself
// has a value that is parsed in pieces again.
func parsePiece(tokens token.Tokens) (ast.Node, error) {
	const key = 2 // the key and its colon
	if len(tokens) <= 2*pieceTokens || !nests(tokens[0], tokens[key]) || !isBlockMapping(tokens[key:]) {
		return parseWhole(tokens)
	}
	value, err := parsePieces(tokens[key:])
	if err != nil {
		return nil, err
	}
	node, err := parseWhole(tokens[:key])
	if m, ok := node.(*ast.MappingNode); ok && err == nil {
		m.Values[0].Value = value
	}
	return node, err
}

// nests reports whether value stands below key, on a line of its own.
func nests(key, value *token.Token) bool {
	return value.Position.Line > key.Position.Line && value.Position.Column > key.Position.Column
}

func isBlockMapping(tokens token.Tokens) bool {
	if len(tokens) < 2 || tokens[1].Type != token.MappingValueType {
		return false
	}
	switch tokens[0].Type {
	case token.StringType, token.SingleQuoteType, token.DoubleQuoteType, token.IntegerType, token.MergeKeyType:
		return true
	}
	return false
}

// split cuts a block mapping into pieces of whole entries: each piece short, or
// a single entry.
func split(tokens token.Tokens) []token.Tokens {
	var pieces []token.Tokens
	first, entry, depth := 0, 0, 0
	cut := func(end int) {
		if end-entry > pieceTokens && entry > first {
			pieces, first = append(pieces, tokens[first:entry:entry]), entry
		}
		if end-first > pieceTokens {
			pieces, first = append(pieces, tokens[first:end:end]), end
		}
		entry = end
	}
	for i, t := range tokens {
		if i > 0 && depth == 0 && startsEntry(t, tokens[i-1], tokens[0]) {
			cut(i)
		}
		depth += nesting(t)
	}
	if cut(len(tokens)); first < len(tokens) {
		pieces = append(pieces, tokens[first:])
	}
	return pieces
}

func startsEntry(t, before, first *token.Token) bool {
	return t.Position.Column == first.Position.Column && t.Position.Line > before.Position.Line &&
		t.Type != token.MappingValueType && t.Type != token.SequenceEntryType
}

// nesting is the change of the depth in flow collections that t makes.
func nesting(t *token.Token) int {
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		return 1
	case token.MappingEndType, token.SequenceEndType:
		return -1
	}
	return 0
}

func parseWhole(tokens token.Tokens) (ast.Node, error) {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, flawAt(tokens[0], "one YAML document is expected", "")
	}
	return file.Docs[0].Body, nil
}
