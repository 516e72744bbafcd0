package redact

import (
	"bytes"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// view is a text as one reader sees it: as it stands, or with its escapes undone. A part of a view
// leads back to the part of the line that it was read from.
type view struct {
	text []byte
	from []int32 // where in the line each byte begins; nil: where it stands
	to   []int32 // and where it ends
}

// deepest is how often escapes are undone: a value may be quoted in a text that is quoted in an address.
const deepest = 4

// escapes are what escapes begin with: those of addresses, of HTML, of JSON and Go.
const escapes = `%&\`

// viewsOf returns line as it stands; with one kind of escape undone, for a secret that holds what looks
// like another kind; and with all undone, once, twice and so on.
func viewsOf(line string) []view {
	plain := view{text: []byte(line)}
	all := []view{plain}
	for _, kind := range escapes {
		if v, changed := plain.withoutEscapes(string(kind)); changed {
			all = append(all, v)
		}
	}
	for range deepest {
		next, changed := plain.withoutEscapes(escapes)
		if !changed {
			break
		}
		plain = next
		if !slices.ContainsFunc(all, func(v view) bool { return bytes.Equal(v.text, next.text) }) {
			all = append(all, next)
		}
	}
	return all
}

// originOf returns the part of the line that the bytes from i to j were read from.
func (v view) originOf(i, j int) (from, to int) {
	if v.from == nil {
		return i, j
	}
	return int(v.from[i]), int(v.to[j-1])
}

// withoutEscapes undoes the escapes that begin with one of marks.
func (v view) withoutEscapes(marks string) (out view, changed bool) {
	if !bytes.ContainsAny(v.text, marks) {
		return v, false
	}
	size := len(v.text)
	out = view{text: make([]byte, 0, size), from: make([]int32, 0, size), to: make([]int32, 0, size)}
	for at := 0; at < size; {
		n, plain := 0, []byte(nil)
		if strings.IndexByte(marks, v.text[at]) >= 0 {
			n, plain = escapeAt(v.text[at:])
		}
		if n == 0 {
			n, plain = 1, v.text[at:at+1]
		}
		from, to := v.originOf(at, at+n)
		for _, b := range plain {
			out.text = append(out.text, b)
			out.from, out.to = append(out.from, int32(from)), append(out.to, int32(to))
		}
		at += n
	}
	return out, len(out.text) != size
}

// escapeAt returns the length of the escape that text begins with, and what it stands for; 0 when it
// begins with none.
func escapeAt(text []byte) (n int, plain []byte) {
	switch text[0] {
	case '%':
		return unescapeNumber(text, 1, 2)
	case '&':
		return unescapeEntity(text)
	case '\\':
	default:
		return 0, nil
	}
	if len(text) < 2 {
		return 0, nil
	}
	switch text[1] {
	case 'x':
		return unescapeNumber(text, 2, 2)
	case 'u':
		return unescapeNumber(text, 2, 4)
	case 'U':
		return unescapeNumber(text, 2, 8)
	}
	const letters, meant = `\/"'nrtbfav`, "\\/\"'\n\r\t\b\f\a\v"
	if i := strings.IndexByte(letters, text[1]); i >= 0 {
		return 2, []byte{meant[i]}
	}
	return 0, nil
}

// unescapeNumber recognises %41, \x41, \u0041 and \U00000041: a mark, and digits behind it. Two digits are a byte.
func unescapeNumber(text []byte, mark, digits int) (n int, plain []byte) {
	n = mark + digits
	if len(text) < n {
		return 0, nil
	}
	code, err := strconv.ParseUint(string(text[mark:n]), 16, 32)
	switch {
	case err != nil || code > utf8.MaxRune:
		return 0, nil
	case digits == 2:
		return n, []byte{byte(code)}
	case utf16.IsSurrogate(rune(code)) && digits == 4 && len(text) >= 2*n:
		if low, err := strconv.ParseUint(string(text[n+mark:2*n]), 16, 32); err == nil && string(text[n:n+mark]) == string(text[:mark]) {
			return 2 * n, utf8.AppendRune(nil, utf16.DecodeRune(rune(code), rune(low)))
		}
	}
	return n, utf8.AppendRune(nil, rune(code))
}

// unescapeEntity recognises &lt; and &#60; and &#x3c;.
func unescapeEntity(text []byte) (n int, plain []byte) {
	const longest = 10 // &#x10ffff;
	n = bytes.IndexByte(text[:min(len(text), longest)], ';') + 1
	whole := string(text[:n])
	if one := html.UnescapeString(whole); n > 0 && one != whole && utf8.RuneCountInString(one) == 1 {
		return n, []byte(one)
	}
	return 0, nil
}

// spans marks the bytes of a line that are not shown.
type spans []bool

func newSpans(n int) spans { return make(spans, n) }

// hidePart marks the bytes from i to j of v.
func (s spans) hidePart(v view, i, j int) {
	from, to := v.originOf(i, j)
	for k := from; k < to; k++ {
		s[k] = true
	}
}

// spanEnd returns where the span ends that begins at i; i when none does.
func (s spans) spanEnd(i int) int {
	for i < len(s) && s[i] {
		i++
	}
	return i
}
