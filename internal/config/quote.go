package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rotatord/rotatord/internal/slot"
)

// This file decides which values of the file a diagnostic repeats: those that help and can be no secret. Two things
// must be so. The value stands below no key that is there for secrets or for texts of the user's own
// (mayHoldSecret).
// And it does not look like a token, a password or a key that was pasted into the wrong line: it is short, of
// letters, digits and the marks of schedules, names, addresses and paths, and each of its words is short, or of
// letters
// alone, or of no more hex digits than an id has. What is longer is left out and not cut: half a
// secret is one.

const (
	maxQuoted   = 64
	maxWord     = 12 // the shortest tokens in use have some 20 characters
	maxPlain    = 32 // of letters alone; time zones, host names
	idDigits    = 32
	quotedMarks = " ./,*-_:[]{}@#=?"
)

// butNot is ", not "value"", for texts that say what must stand there; it is empty if value may not be repeated.
func butNot(p *path, value string) string {
	if !isQuotable(p, value) {
		return ""
	}
	return fmt.Sprintf(", not %q", value)
}

// called is " called "value"", for texts that say what there is not; it is empty if value may not be repeated.
func called(p *path, value string) string {
	if !isQuotable(p, value) {
		return " of this name"
	}
	return fmt.Sprintf(" called %q", value)
}

// withoutSecrets leaves out of a text what it quotes and may not repeat: those of schedules and sinks are not
// written here.
func withoutSecrets(p *path, text string) string {
	return quotation.ReplaceAllStringFunc(text, func(quoted string) string {
		if value, err := strconv.Unquote(quoted); err != nil || value != "" && !isQuotable(p, value) {
			return "…"
		}
		return quoted
	})
}

var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// isQuotable reports whether a diagnostic at p may repeat value.
func isQuotable(p *path, value string) bool {
	if value == "" {
		return false
	}
	for ; p != nil; p = p.up {
		if mayHoldSecret(p.key) {
			return false
		}
	}
	return isHarmless(value)
}

// mayHoldSecret reports whether nothing is repeated below a key.
func mayHoldSecret(key string) bool {
	switch key {
	case "env", "fields", "template", "value", "command", "labels", "tags": // the user's own texts
		return true
	}
	return isForSecrets(key)
}

// isForSecrets reports whether a key is there for secrets.
func isForSecrets(key string) bool {
	switch key {
	case "api_token", "auth", "password", "secret", "token", "headers", "username":
		return true
	}
	return false
}

// shownKey is a key as a diagnostic shows it. A secret is a key, too, where ": " was forgotten: what has neither
// the shape of a name nor that of harmless text is left out; below a key for secrets, whatever is no plain word.
func shownKey(key string, belowSecret bool) string {
	shown := key == "<<" || namePattern.MatchString(key) && !slices.ContainsFunc(strings.FieldsFunc(key, isHyphen), isLong) || isHarmless(key)
	if belowSecret {
		shown = plainKey.MatchString(key)
	}
	if shown {
		return key
	}
	return "…"
}

// shownName is the name of a sink, an account, a relay or a token as a text beside its own place shows it.
func shownName[K ~string](name K) string { return shownKey(string(name), false) }

// shownNames lists the names of a mapping that a text may show, sorted.
func shownNames[V any](m map[string]V) []string {
	return slices.DeleteFunc(sortedNames(m), func(name string) bool { return shownName(name) != name })
}

// shownSlot is a slot's name, relay/type, as a text shows it.
func shownSlot(p *slot.Plan) string { return shownName(p.Relay) + "/" + shownName(p.Key.Type) }

var plainKey = regexp.MustCompile(`^[A-Za-z_-]{1,32}$`)

func isHyphen(r rune) bool { return r == '-' || r == '_' }

func isLong(word string) bool { return len(word) > idDigits }

// isHarmless reports whether a value has no shape of a secret.
func isHarmless(value string) bool {
	if len(value) > maxQuoted || strings.IndexByte(value, '@') > 0 || strings.IndexFunc(value, isUnusual) >= 0 {
		return false
	}
	words := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ,:*[]{}@#", r) })
	if strings.HasPrefix(value, "/") {
		words = strings.Split(value, "/")
	}
	return !slices.ContainsFunc(words, isLikeSecret)
}

func isUnusual(r rune) bool {
	return !unicode.IsLetter(r) && !isDigit(r) && !strings.ContainsRune(quotedMarks, r)
}

func isLikeSecret(word string) bool {
	hasDigit := strings.IndexFunc(word, isDigit) >= 0
	isHex := strings.Trim(word, "0123456789abcdefABCDEF") == ""
	return len(word) > maxWord && (hasDigit || len(word) > maxPlain) && !(isHex && len(word) <= idDigits)
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
