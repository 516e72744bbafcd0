package cf

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/secret"
)

const maxText = 300 // bytes of a server's own words that an error keeps

// long matches what may be a token: no word, id or path segment is as long.
var long = regexp.MustCompile(`[A-Za-z0-9_\-.+=~]{40,}`)

// clean makes a server's words fit for an error: on one line, bounded, and without
// the API token or anything else that looks like a token.
func clean(text, apiToken string) string {
	if apiToken != "" {
		text = strings.ReplaceAll(text, apiToken, secret.Redacted)
	}
	text = long.ReplaceAllString(text, secret.Redacted)
	text = strings.Map(printable, strings.ToValidUTF8(text, "?"))
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}
