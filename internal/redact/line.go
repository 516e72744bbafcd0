package redact

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/secret"
)

// Printable returns text on one line: what does not print is escaped as in a Go string, and so is
// invalid UTF-8. Nothing that it returns can steer a terminal, or turn the direction of writing.
func Printable(text string) string {
	if isPrintable(text) {
		return text
	}
	out := make([]byte, 0, len(text)+len(text)/4)
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\x`+strconv.FormatUint(uint64(text[0]), 16)...)
		case unicode.IsPrint(r):
			out = append(out, text[:n]...)
		default:
			out = append(out, escapeRune(r)...)
		}
		text = text[n:]
	}
	return string(out)
}

// PrintableLines is Printable for what may have several lines: it leaves line breaks as they are.
func PrintableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = Printable(l)
	}
	return strings.Join(lines, "\n")
}

func isPrintable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// escapeRune returns the escape of a rune that does not print: \n, \x1b, \u202e.
func escapeRune(r rune) string { return strings.Trim(strconv.QuoteRune(r), "'") }

// maxLabel is how many characters of a name that others gave are shown.
const maxLabel = 64

// Label returns a name that others gave, such as a token's label, in quotes: cleaned and cut, and
// plainly not our own word.
func Label(name string) string {
	return `"` + strings.ReplaceAll(Cleaner{}.Bounded(name, maxLabel), `"`, `\"`) + `"`
}

// plainName is a name that needs no quotes.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$`)

// Name returns a name that is plain as it is, and any other as Label does.
func Name(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return Label(name)
}

// maxHost is how many bytes of a host's name are shown: more than any has, port and brackets included.
const maxHost = 260

// Host returns a host, with its port, as it is; what is none is quoted, and both are cut.
func Host(host string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
	host = host[:min(len(host), maxHost)]
	if strings.Trim(host, letters) != "" {
		return strconv.Quote(host)
	}
	return host
}

// Folded returns text with each run of white space, line breaks included, as one space.
func Folded(text string) string { return strings.Join(strings.Fields(text), " ") }

// JSON returns the JSON document doc with what does not print escaped, for a terminal. It means
// the same.
func JSON(doc []byte) []byte {
	if !bytes.ContainsFunc(doc, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		return doc
	}
	var out []byte
	for len(doc) > 0 {
		r, n := utf8.DecodeRune(doc)
		if r == '\n' || unicode.IsPrint(r) {
			out = append(out, doc[:n]...)
		} else {
			out = append(out, jsonEscaped(r)...)
		}
		doc = doc[n:]
	}
	return out
}

func jsonEscaped(r rune) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune{r}) {
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte(digits[unit>>shift&15])
		}
	}
	return b.String()
}

// quotedJSON returns s as it stands in a JSON string.
func quotedJSON(s string) string {
	quoted, _ := json.Marshal(s) // a string always encodes
	return string(quoted[1 : len(quoted)-1])
}

// writer puts a cleaned text together and cuts it, never within a marker or an escape.
type writer struct {
	strings.Builder
	room int
	more bool  // something was left out
	full bool  // and that because there was no room
	left int   // bytes of the line that were not reached
	ends []int // the length before each of the last characters, to take one back for the ellipsis
}

// write adds line, with a marker in place of each span that is hidden.
func (w *writer) write(line string, hidden spans) {
	for at := 0; at < len(line) && !w.full; {
		if end := hidden.spanEnd(at); end > at {
			w.addAtom(secret.Redacted)
			at = end
		} else {
			n := atomLen(line[at:])
			w.addAtom(line[at : at+n])
			at += n
		}
		w.left = len(line) - at
	}
}

// addAtom adds text, whole or not at all.
func (w *writer) addAtom(text string) {
	n := utf8.RuneCountInString(text)
	if w.full || n > w.room {
		w.full, w.more = true, true
		return
	}
	w.ends = append(w.ends, w.Len())
	w.room -= n
	w.WriteString(text)
}

const ellipsis = "…"

// String returns the text. One that was cut ends in an ellipsis.
func (w *writer) String() string {
	text := w.Builder.String()
	if !w.more {
		return text
	}
	if w.room < 1 && len(w.ends) > 0 {
		text = text[:w.ends[len(w.ends)-1]]
	}
	return text + ellipsis
}

// atomLen returns how many bytes of line belong together: an escape, or a character.
func atomLen(line string) int {
	if line[0] == '\\' && len(line) > 1 {
		n := 2
		switch line[1] {
		case 'x':
			n = 4
		case 'u':
			n = 6
		case 'U':
			n = 10
		}
		if n <= len(line) && isASCII(line[:n]) {
			return n
		}
		return 1
	}
	return runeLen(line)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
