package redact

import (
	"bytes"
	"regexp"
	"strings"
)

// hideLookalikes hides what looks like a secret, whoever's it is.
func hideLookalikes(v view, hidden spans) {
	text := string(v.text)
	for _, find := range []func(text string, hide func(from, to int)){
		findJWTs, findVaultTokens, findAWSKeyIDs, findPasswords, findRandom,
	} {
		find(text, func(from, to int) { hidden.hidePart(v, from, to) })
	}
	hideNamed(v, text, hidden)
}

// findJWTs finds JSON Web Tokens, cut ones too, and those that are in base64 once more.
func findJWTs(text string, hide func(from, to int)) {
	const least = 8 // characters behind the beginning
	for _, mark := range []string{"eyJ", "ZXlK"} {
		end := 0
		for at := range placesOf(text, mark) {
			if at < end {
				continue // it is a part of the last one
			}
			if end = wordEnd(text, at, "_-.+/=~"); end >= at+len(mark)+least {
				hide(at, end)
			}
		}
	}
}

// findVaultTokens finds tokens of Vault and OpenBao: hvs., hvb., hvr., and the older s., b. and r.
func findVaultTokens(text string, hide func(from, to int)) {
	end := 0
	for at := range placesOf(text, ".") {
		if at < end {
			continue // it is a part of the last one
		}
		begin := at
		for begin > 0 && isAlnum(text[begin-1]) && at-begin < 4 {
			begin--
		}
		var least int
		switch kind := text[begin:at]; {
		case strings.HasSuffix(kind, "hvs"), strings.HasSuffix(kind, "hvb"), strings.HasSuffix(kind, "hvr"):
			begin, least = at-3, 8
		case kind == "s", kind == "b", kind == "r":
			least = 20
		default:
			continue
		}
		if end = wordEnd(text, at, "_-."); end > at+least {
			hide(begin, end)
		}
	}
}

// findAWSKeyIDs finds the ids of AWS's access keys.
func findAWSKeyIDs(text string, hide func(from, to int)) {
	for _, mark := range []string{"AKIA", "ASIA"} {
		for at := range placesOf(text, mark) {
			end := at
			for end < len(text) && (isUpper(text[end]) || isDigit(text[end])) {
				end++
			}
			if end >= at+16 {
				hide(at, end)
			}
		}
	}
}

// findPasswords finds the password in an address: https://user:password@host.
func findPasswords(text string, hide func(from, to int)) {
	const longest = 256
	for at := range placesOf(text, "://") {
		begin := at + len("://")
		rest := text[begin:min(len(text), begin+longest)]
		if end := strings.IndexAny(rest, "/?# \t\n\""); end >= 0 {
			rest = rest[:end]
		}
		colon, sign := strings.IndexByte(rest, ':'), strings.LastIndexByte(rest, '@')
		if colon >= 0 && colon+1 < sign {
			hide(begin+colon+1, begin+sign)
		}
	}
}

// findRandom finds long runs of small and capital letters and digits: no word, id or host name
// looks like that, but the tokens of many services do.
func findRandom(text string, hide func(from, to int)) {
	const least = 40
	for at := 0; at < len(text); {
		end := wordEnd(text, at, "_-+=~")
		word := text[at:end]
		if len(word) >= least && hasByte(word, isUpper) && hasByte(word, isLower) && hasByte(word, isDigit) {
			hide(at, end)
		}
		at = max(end, at+1)
	}
}

// names stand before a secret: AWS's in its files, variables, headers, queries and answers, and Vault's.
const names = "secretaccesskey secret_access_key secret-access-key sessiontoken session_token session-token " +
	"securitytoken security_token security-token secret_id secretid vault-token vault_token client_token authorization"

// valueEnds are where an assigned value ends.
const valueEnds = "\"'<>&,;{}()[]\\ \t\r\n"

// assigned is what stands between a name and its value in JSON, YAML, ini files, variables, XML, queries and headers.
var assigned = regexp.MustCompile(`(?i)^["'\s]*(=>|[:=>]|,\s*["']?value["']?\s*[:=])["'\s(\[]*((bearer|basic)\s+)?`)

// hideNamed hides what is assigned to a name of a secret.
func hideNamed(v view, text string, hidden spans) {
	const longest = 256 // between a name and its value
	lower := lowerCase(v.text)
	for name := range strings.FieldsSeq(names) {
		for at := range placesOf(lower, name) {
			end := at + len(name)
			if from, _ := v.originOf(at, end); hidden[from] {
				continue
			}
			begin := end + len(assigned.FindString(text[end:min(len(text), end+longest)]))
			if begin == end {
				continue
			}
			end = begin + len(text[begin:])
			if n := strings.IndexAny(text[begin:], valueEnds); n >= 0 {
				end = begin + n
			}
			if end >= begin+shortest {
				hidden.hidePart(v, begin, end)
			}
		}
	}
}

// lowerCase returns text with small letters for capitals, of the same length.
func lowerCase(text []byte) string {
	out := bytes.Clone(text)
	for i, b := range out {
		if isUpper(b) {
			out[i] += 'a' - 'A'
		}
	}
	return string(out)
}

// placesOf yields where mark is in text, and goes on behind it.
func placesOf(text, mark string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for at := 0; ; at += len(mark) {
			next := strings.Index(text[at:], mark)
			if next < 0 || !yield(at+next) {
				return
			}
			at += next
		}
	}
}

// wordEnd returns where the letters, digits and others that begin at at end.
func wordEnd(text string, at int, others string) int {
	for at < len(text) && (isAlnum(text[at]) || strings.IndexByte(others, text[at]) >= 0) {
		at++
	}
	return at
}

func hasByte(word string, is func(byte) bool) bool {
	for i := range len(word) {
		if is(word[i]) {
			return true
		}
	}
	return false
}

func isAlnum(b byte) bool { return isUpper(b) || isLower(b) || isDigit(b) }
func isUpper(b byte) bool { return 'A' <= b && b <= 'Z' }
func isLower(b byte) bool { return 'a' <= b && b <= 'z' }
func isDigit(b byte) bool { return '0' <= b && b <= '9' }
