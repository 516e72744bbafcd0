package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// plainReader reads the plainest YAML: block mappings of plain words, quoted
// words without escapes, and flow collections that end on their line. It builds
// the nodes that the parser would, without positions. Whatever it is not sure
// of, it leaves to the parser, which takes a hundred times as long.
type plainReader struct {
	lines []plainLine
	next  int
}

type plainLine struct {
	indent int
	text   string // without the indent
}

// plainLines splits a block into its lines, without comments and empty ones.
func plainLines(block string) []plainLine {
	var lines []plainLine
	for line := range strings.Lines(block) {
		line = strings.TrimRight(line, " \n")
		text := strings.TrimLeft(line, " ")
		if text != "" && text[0] != '#' {
			lines = append(lines, plainLine{len(line) - len(text), text})
		}
	}
	return lines
}

// mapping reads the mapping whose first entry is the next line.
func (r *plainReader) mapping(depth int) (*ast.MappingNode, bool) {
	m := &ast.MappingNode{}
	for indent := r.lines[r.next].indent; r.next < len(r.lines) && r.lines[r.next].indent == indent; {
		key, rest, ok := cutKey(r.lines[r.next].text)
		if !ok || depth > maxDepth {
			return nil, false
		}
		r.next++
		value, ok := r.value(uncommented(rest), indent, depth)
		if !ok {
			return nil, false
		}
		m.Values = append(m.Values, &ast.MappingValueNode{Key: key, Value: value})
	}
	return m, true
}

// value reads what stands behind a key: on its line, or deeper on the next ones.
func (r *plainReader) value(text string, indent, depth int) (ast.Node, bool) {
	deeper := r.next < len(r.lines) && r.lines[r.next].indent > indent
	switch {
	case text == "" && deeper:
		return r.mapping(depth + 1)
	case text == "":
		return &ast.NullNode{}, true
	case deeper: // the value goes on there
		return nil, false
	}
	n, rest, ok := cutValue(text, false, depth)
	return n, ok && rest == ""
}

// uncommented is what stands behind a key without the comment that may follow it.
func uncommented(rest string) string {
	if value, _, found := strings.Cut(rest, " #"); found && !strings.ContainsAny(value, `"'`) {
		rest = value
	}
	return strings.Trim(rest, " ")
}

// cutKey takes a key and its colon off the beginning of s.
func cutKey(s string) (key *ast.StringNode, rest string, ok bool) {
	end := 0
	for end < len(s) && (isWord(s[end]) || s[end] == '-' && end > 0) {
		end++
	}
	if end == 0 || end == len(s) || s[end] != ':' || end+1 < len(s) && s[end+1] != ' ' {
		return nil, "", false
	}
	return &ast.StringNode{Value: s[:end]}, s[end+1:], true
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// cutValue takes one value off the beginning of s, which is not empty; flow
// says that it stands within brackets.
func cutValue(s string, flow bool, depth int) (n ast.Node, rest string, ok bool) {
	switch s[0] {
	case '"', '\'':
		return cutQuoted(s)
	case '{':
		return cutFlow(s, '}', depth, &flowMapping{})
	case '[':
		return cutFlow(s, ']', depth, &flowList{})
	}
	end := 0
	for end < len(s) && (isWord(s[end]) || end > 0 && strings.IndexByte(" -./*+@", s[end]) >= 0 || !flow && end > 0 && s[end] == ',') {
		end++
	}
	if end == 0 || end < len(s) && !(flow && strings.IndexByte(",]}", s[end]) >= 0) {
		return nil, "", false
	}
	n, ok = plainWord(strings.TrimRight(s[:end], " "))
	return n, s[end:], ok
}

// plainWord tells the words that are no text. Numbers are: as they are spelled.
func plainWord(s string) (ast.Node, bool) {
	switch {
	case s == "true":
		return &ast.BoolNode{Token: &token.Token{Value: s}, Value: true}, true
	case s == "false":
		return &ast.BoolNode{Token: &token.Token{Value: s}}, true
	case strings.EqualFold(s, "true"), strings.EqualFold(s, "false"), strings.EqualFold(s, "null"):
		return nil, false
	}
	return &ast.StringNode{Value: s}, true
}

func cutQuoted(s string) (n ast.Node, rest string, ok bool) {
	quote := s[:1]
	text, rest, ok := strings.Cut(s[1:], quote)
	for i := 0; ok && i < len(text); i++ {
		ok = text[i] >= ' ' && text[i] <= '~' && text[i] != '\\'
	}
	if ok = ok && !strings.HasPrefix(rest, quote); !ok {
		return nil, "", false
	}
	return &ast.StringNode{Value: text}, strings.TrimLeft(rest, " "), true
}

// flow is a collection in brackets under construction.
type flow interface {
	// cut takes one entry off the beginning of s.
	cut(s string, depth int) (rest string, ok bool)
	node() ast.Node
}

// cutFlow takes a collection in brackets off the beginning of s.
func cutFlow(s string, end byte, depth int, into flow) (n ast.Node, rest string, ok bool) {
	rest = strings.TrimLeft(s[1:], " ")
	for first := true; ; first = false {
		switch {
		case rest == "" || depth > maxDepth:
			return nil, "", false
		case first && rest[0] == end:
			return into.node(), strings.TrimLeft(rest[1:], " "), true
		}
		if rest, ok = into.cut(rest, depth+1); !ok || rest == "" {
			return nil, "", false
		}
		switch rest[0] {
		case end:
			return into.node(), strings.TrimLeft(rest[1:], " "), true
		case ',':
			rest = strings.TrimLeft(rest[1:], " ")
		default:
			return nil, "", false
		}
	}
}

type flowMapping struct{ ast.MappingNode }

func (m *flowMapping) node() ast.Node { return &m.MappingNode }

func (m *flowMapping) cut(s string, depth int) (rest string, ok bool) {
	key, rest, ok := cutKey(s)
	if rest = strings.TrimLeft(rest, " "); !ok || rest == "" {
		return "", false
	}
	value, rest, ok := cutValue(rest, true, depth)
	m.Values = append(m.Values, &ast.MappingValueNode{Key: key, Value: value})
	return rest, ok
}

type flowList struct{ ast.SequenceNode }

func (l *flowList) node() ast.Node { return &l.SequenceNode }

func (l *flowList) cut(s string, depth int) (rest string, ok bool) {
	value, rest, ok := cutValue(s, true, depth)
	l.Values = append(l.Values, value)
	return rest, ok
}
