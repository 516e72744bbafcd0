package config

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// What the YAML library says of a broken text is its parser's jargon, in places that follow from how it parses, and
// may repeat a secret. So only the place is taken from it; the line there is read again, and a table says what people
// mostly mean by what is there.

const notYAML = "not valid YAML: "

// explanation is what is wrong with a text and what to do; the zero one is none.
type explanation struct{ text, hint string }

// explainSyntax returns a *syntaxError for any error of the YAML library.
func explainSyntax(err error, data []byte) error {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return &syntaxError{position: position{1, 1}, text: notYAML + "it cannot be read"}
	}
	s := &brokenText{lines: splitLines(data), message: e.Message, at: positionOfMark(e.Mark),
		from: positionOfMark(e.ContextMark)}
	if e.Mark.Line == 0 { // the library's reader counts bytes
		s.at = positionOfByte(data, e.Mark.Index)
	}
	at, why := s.likeliestCause()
	return &syntaxError{position: at, path: s.pathAt(at), text: notYAML + why.text, hint: why.hint}
}

func positionOfMark(m yaml.Mark) position { return position{max(m.Line, 1), max(m.Column, 1)} }

func positionOfByte(data []byte, offset int) position {
	lines := splitLines(data[:min(offset, len(data))])
	return position{len(lines), 1 + utf8.RuneCount(lines[len(lines)-1])}
}

// splitLines splits a text where YAML does. There is one line at least.
func splitLines(data []byte) [][]byte {
	return bytes.Split(lineEnds.ReplaceAll(data, []byte("\n")), []byte("\n"))
}

var lineEnds = regexp.MustCompile("\r\n|\r|\u0085|\u2028|\u2029")

// brokenText is a text with what the library says of it.
type brokenText struct {
	lines    [][]byte
	message  string
	at, from position // where it gave up, and where what it was reading begins; from may be 1:1 for nothing
}

// maxLine is how long a line may be to be read again: longer ones no person wrote.
const maxLine = 2000

// line returns a line by its number; "" when there is none to be read.
func (s *brokenText) line(n int) string {
	if n < 1 || n > len(s.lines) || len(s.lines[n-1]) > maxLine {
		return ""
	}
	return string(s.lines[n-1])
}

// likeliestCause returns where the mistake is and what it is; what is most certain is tried first.
func (s *brokenText) likeliestCause() (position, explanation) {
	for _, try := range []func() (position, explanation){s.findTab, s.findOpenQuote, s.findOpenValue, s.findOpenBracket, s.findBrokenKey} {
		if at, why := try(); why.text != "" {
			return at, why
		}
	}
	for _, known := range knownMessages() {
		if strings.Contains(s.message, known.message) {
			return s.at, known.explanation
		}
	}
	return s.at, explanation{"this cannot be read", "compare it with the lines around it"}
}

// findTab finds a tab in a line's indent.
func (s *brokenText) findTab() (position, explanation) {
	for _, n := range []int{s.at.line, s.at.line - 1, s.from.line} {
		line := s.line(n)
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
			return position{n, tab + 1}, explanation{"the line is indented with a tab",
				"YAML is indented with spaces, not tabs"}
		}
	}
	return position{}, explanation{}
}

// findOpenQuote finds the quote that was forgotten to be closed: the text then ends at the next quote, lines below,
// where nothing is wrong.
func (s *brokenText) findOpenQuote() (position, explanation) {
	why := explanation{"the quote that opens here is not closed", "close it on the same line"}
	if s.message == "found unexpected end of stream" {
		return s.from, why
	}
	if strings.Contains(s.message, "escape") || !strings.Contains(s.message, "expected") {
		return position{}, explanation{}
	}
	for n := s.at.line - 1; n > 0; n-- {
		for _, v := range valuesIn(s.line(n)) {
			if text := s.line(n)[v.start:]; isQuote(text[0]) && closingQuote(text) < 0 {
				return s.position(n, v.start), why
			}
		}
	}
	return position{}, explanation{}
}

func isQuote(c byte) bool { return c == '"' || c == '\'' }

// closingQuote returns where the quoted text that s begins with ends; -1 when it does not end.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[i] != s[0]:
		case s[0] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		default:
			return i
		}
	}
	return -1
}

// findOpenValue finds a value that YAML takes for something else, in the line where the library gave up.
func (s *brokenText) findOpenValue() (position, explanation) {
	line := s.line(s.at.line)
	for _, v := range valuesIn(line) {
		at := s.position(s.at.line, v.start)
		if at.column > s.at.column {
			break
		}
		if why := misread(line[v.start:]); why.text != "" {
			return at, why
		}
	}
	return position{}, explanation{}
}

// position is that of a byte in a line.
func (s *brokenText) position(line, offset int) position {
	return position{line, 1 + utf8.RuneCountInString(s.line(line)[:offset])}
}

// misread says why a value is not read as the text that it looks like.
func misread(value string) explanation {
	for _, m := range misreadings() {
		if regexp.MustCompile(`^(?:` + m.pattern + `)`).MatchString(value) {
			return m.explanation
		}
	}
	return explanation{}
}

// findOpenBracket finds the bracket that was forgotten to be closed.
func (s *brokenText) findOpenBracket() (position, explanation) {
	why := explanation{"the bracket that opens here is not closed", "close it, and put commas between what it holds"}
	switch {
	case strings.HasPrefix(s.message, "did not find expected ','") && s.from.line == s.at.line:
		return s.at, explanation{"a comma or the closing bracket is expected here",
			"write [one, two] or {one: a, two: b}"}
	case strings.HasPrefix(s.message, "did not find expected ','"):
		return s.from, why
	case s.message != "did not find expected node content":
		return position{}, explanation{}
	}
	for n := min(s.at.line, len(s.lines)); n > 0; n-- {
		if at := strings.LastIndexAny(s.line(n), "[{"); at >= 0 {
			return s.position(n, at), why
		}
	}
	return position{}, explanation{}
}

// findBrokenKey finds a line that is no key with a value.
func (s *brokenText) findBrokenKey() (position, explanation) {
	glued := explanation{"a blank is missing behind the colon", "write key: value"}
	above := s.line(s.at.line - 1)
	switch {
	case strings.HasPrefix(s.message, "mapping values are not allowed") && gluedColon.MatchString(above):
		return position{s.at.line - 1, 1 + indentOf(above)}, glued
	case !strings.HasPrefix(s.message, "could not find expected ':'"):
		return position{}, explanation{}
	case gluedColon.MatchString(s.line(s.from.line)):
		return s.from, glued
	}
	return s.from, explanation{"a colon is missing behind the key", "write key: value"}
}

var gluedColon = regexp.MustCompile(`^\s*[\w-]+:[^\s:][^:]*$`)
