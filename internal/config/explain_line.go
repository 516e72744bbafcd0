package config

import (
	"regexp"
	"strings"
)

// pathAt names the key whose value stands at a position: by what stands before it in its line, and by the less
// indented keys above.
func (s *brokenText) pathAt(at position) string {
	line := s.line(at.line)
	var keys []string
	for _, v := range valuesIn(line) {
		if s.position(at.line, v.start).column <= at.column && v.key != "" {
			keys = append(keys, v.key)
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return strings.Join(append(s.keysAbove(at.line), keys[0]), ".") + innermost(keys[1:])
}

// innermost is the last of the keys of a mapping in braces: which of the others it is in, is not looked for.
func innermost(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return "." + keys[len(keys)-1]
}

// keysAbove lists the keys that a line is indented below.
func (s *brokenText) keysAbove(n int) []string {
	var keys []string
	for indent := indentOf(s.line(n)); n > 1 && indent > 0; {
		n--
		m := parentKey.FindStringSubmatch(s.line(n))
		if m != nil && indentOf(s.line(n)) < indent {
			indent = indentOf(s.line(n))
			keys = append([]string{m[1]}, keys...)
		}
	}
	return keys
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

var (
	parentKey  = regexp.MustCompile(`^ *["']?([\w-]+)["']?:(?:\s|$)`)
	valueStart = regexp.MustCompile(`(?:^\s*|[{,]\s*|- +)["']?([\w-]+)["']?:\s+(\S)|(?:^\s*|\s)- +(\S)`)
)

// lineValue is a value in a line, behind its key or the dash of a list entry.
type lineValue struct {
	key   string
	start int
}

// valuesIn lists the values that begin in a line.
func valuesIn(line string) []lineValue {
	var out []lineValue
	for from := 0; ; {
		m := valueStart.FindStringSubmatchIndex(line[from:])
		if m == nil {
			return out
		}
		v := lineValue{start: from + max(m[4], m[6])}
		if m[2] >= 0 {
			v.key = line[from+m[2] : from+m[3]]
		}
		out = append(out, v)
		from = v.start
	}
}
