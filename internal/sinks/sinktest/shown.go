package sinktest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Encodings are the forms, by name, in which a store may repeat what it was sent.
func Encodings() map[string]func(string) string {
	base64Of := func(e *base64.Encoding, before, after string) func(string) string {
		return func(s string) string { return e.EncodeToString([]byte(before + s + after)) }
	}
	return map[string]func(string) string{
		"as it is":          func(s string) string { return s },
		"JSON":              quotedJSON,
		"JSON twice":        func(s string) string { return quotedJSON(quotedJSON(s)) },
		"JSON, all ASCII":   inUnicodeEscapes,
		"Go":                func(s string) string { return strings.Trim(fmt.Sprintf("%+q", s), `"`) },
		"a query":           url.QueryEscape,
		"a path":            url.PathEscape,
		"a query, small":    func(s string) string { return smallPercents(url.QueryEscape(s)) },
		"a query in JSON":   func(s string) string { return quotedJSON(url.QueryEscape(s)) },
		"JSON in a query":   func(s string) string { return url.QueryEscape(quotedJSON(s)) },
		"HTML":              html.EscapeString,
		"base64":            base64Of(base64.StdEncoding, "", ""),
		"base64, moved 1":   base64Of(base64.StdEncoding, "x", "y"),
		"base64, moved 2":   base64Of(base64.RawStdEncoding, "xy", "z"),
		"base64 URL":        base64Of(base64.URLEncoding, "", ""),
		"base64 URL, bare":  base64Of(base64.RawURLEncoding, "x", ""),
		"base64 in JSON":    func(s string) string { return strings.ReplaceAll(base64Of(base64.StdEncoding, "", "")(s), "/", `\/`) },
		"base64 of JSON":    func(s string) string { return base64Of(base64.StdEncoding, `{"a":"`, `"}`)(quotedJSON(s)) },
		"base64 in a query": func(s string) string { return url.QueryEscape(base64Of(base64.StdEncoding, "", "")(s)) },
		"hexadecimal":       func(s string) string { return hex.EncodeToString([]byte(s)) },
	}
}

// quotedJSON returns s as it stands in a JSON string.
func quotedJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

func inUnicodeEscapes(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04X`, r)
	}
	return b.String()
}

func smallPercents(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// ShownRun returns 12 characters of a secret in a row that text shows in some encoding, with its name;
// "" when it shows none.
func ShownRun(text, value string) string {
	runes := []rune(value)
	for name, encode := range Encodings() {
		if strings.HasPrefix(name, "base64") {
			if form := shownBase64(text, encode(value)); form != "" {
				return name + ": " + form
			}
			continue
		}
		for i := 0; i+12 <= len(runes); i++ {
			if form := encode(string(runes[i : i+12])); strings.Contains(text, form) {
				return name + ": " + form
			}
		}
	}
	return ""
}

// shownBase64 looks for 16 characters of base64, which are 12 bytes, but not for what stands beside the value.
func shownBase64(text, form string) string {
	form = strings.TrimRight(form, "=")
	for i := 3; i+16 <= len(form)-2; i++ {
		if strings.Contains(text, form[i:i+16]) {
			return form[i : i+16]
		}
	}
	return ""
}

// FitToPrint fails when text is longer than limit characters, has a line break or steers a terminal.
func FitToPrint(t testing.TB, text string, limit int) {
	t.Helper()
	if n := utf8.RuneCountInString(text); n > limit {
		t.Errorf("%d characters are more than %d: %q", n, limit, text)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("unfit to print: %q", text)
	}
}
