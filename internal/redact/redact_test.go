package redact_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

// canary has characters that every encoding treats in its own way.
const canary = `q7#Kd"9<&>m\w/+x=z~Tr%41 v_-k'Yé5`

func TestASecretIsTakenOutInEveryEncoding(t *testing.T) {
	for name, encode := range sinktest.Encodings() {
		for where, text := range map[string]string{
			"alone": encode(canary), "within": "cannot store (" + encode(canary) + "), sorry", "twice": encode(canary) + " and " + encode(canary),
		} {
			if sinktest.ShownRun(text, canary) == "" {
				t.Fatalf("%s, %s: the canary is not in the text: the test cannot fail", name, where)
			}
			got := redact.New(secret.New(canary)).Text(text)
			if found := sinktest.ShownRun(got, canary); found != "" || !strings.Contains(got, secret.Redacted) {
				t.Errorf("%s, %s: %q shows %q", name, where, got, found)
			}
		}
	}
}

func TestARunOfTwelveCharactersIsTakenOutAndElevenAreNot(t *testing.T) {
	const value = "abcdefghijKLMNOPQRST0123456789"
	c := redact.New(secret.New(value))
	for n := range len(value) - 12 {
		if got := c.Text("<" + value[n:n+12] + ">"); got != "<[redacted]>" {
			t.Errorf("twelve from %d on: %q", n, got)
		}
		if got := c.Text("<" + value[n:n+11] + ">"); strings.Contains(got, secret.Redacted) {
			t.Errorf("eleven from %d on: %q", n, got)
		}
	}
}

func TestAShortSecretIsTakenOutWholeFromFourCharactersOn(t *testing.T) {
	for value, want := range map[string]string{
		"abc": "is abc here, abc", "abcd": "is [redacted] here, [redacted]", "hunter2pass": "is [redacted] here, [redacted]",
	} {
		if got := redact.New(secret.New(value)).Text("is " + value + " here, " + value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	c := redact.New(secret.New("hunter2pass"))
	if got := c.Text("is hunter2pas here"); got != "is hunter2pas here" {
		t.Errorf("a part of a short secret: %q", got)
	}
	if got := c.Text("at " + base64.StdEncoding.EncodeToString([]byte("x:hunter2pass"))); !strings.Contains(got, secret.Redacted) {
		t.Errorf("a short secret in base64: %q", got)
	}
}

func TestWhatLooksLikeASecretIsTakenOutWhoeversItIs(t *testing.T) {
	const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJzdHJheSJ9.c3RyYXktdG9rZW4tb2YtYQ"
	const key, session = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "FQoGZXIvYXdzEBYaDH//short+=="
	for _, text := range []string{
		jwt, "Bearer " + jwt, jwt[:30], `{"token":"` + jwt + `"}`, base64.StdEncoding.EncodeToString([]byte(jwt)), url.QueryEscape(jwt),
		"hvs.CAESIJlDpHKdW6yVs3", "hvb.AAAAAQL_tyer_gNuQqvQYPVQgsNx", "hvr.abcdefgh12345", "s.hM4qQ9cVbX7RzT1kLw2eNf8y", "b.hM4qQ9cVbX7RzT1kLw2eNf8y",
		"token s.hM4qQ9cVbX7RzT1kLw2eNf8y.nsid1 is bad", "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE",
		"https://user:correct-horse@proxy.example/x", "Xk3_9dJw-Lq0Zr7VtB2mNc8Ys5Pf1Gh6Ae4Uo-iT",
		"aws_secret_access_key = " + key, "aws_secret_access_key=" + key, `AWS_SECRET_ACCESS_KEY="` + key + `"`, "<SecretAccessKey>" + key + "</SecretAccessKey>",
		`{"SecretAccessKey": "` + key + `"}`, `{\"SecretAccessKey\":\"` + key + `\"}`, "map[SecretAccessKey:" + key + " Version:1]",
		`{"name":"AWS_SECRET_ACCESS_KEY","value":"` + key + `"}`, "aws_secret_access_key\t=\n  " + key,
		"AWS_SESSION_TOKEN=" + session, "aws_session_token = " + session, `"SessionToken":"` + session + `"`, "?X-Amz-Security-Token=" + url.QueryEscape(session) + "&x=y",
		"X-Amz-Security-Token: " + session, "x-amz-security-token%3D" + url.QueryEscape(session), "X-Vault-Token: root-token", "Authorization: Bearer abcdefgh", "secret_id=0a1b2c3d",
	} {
		got := redact.Cleaner{}.Text(text)
		for _, part := range []string{jwt[:30], jwt[40:], key, key[20:], session, "CAESIJ", "tyer_gN", "IOSFODNN", "hM4qQ9c", "horse", "9dJw", "root-token", "abcdefgh", "0a1b2c3d"} {
			if strings.Contains(text, part) && strings.Contains(got, part) {
				t.Errorf("%q shows %q: %q", text, part, got)
			}
		}
		if !strings.Contains(got, secret.Redacted) {
			t.Errorf("%q stays: %q", text, got)
		}
	}
}

func TestWhatIsNoSecretStays(t *testing.T) {
	for _, text := range []string{
		"permission denied", "User: arn:aws:iam::123456789012:user/rotatord is not authorized to perform: secretsmanager:PutSecretValue on resource: moq/live-main",
		"The security token included in the request is invalid.", "invalid role or secret ID", "sts.eu-west-1.amazonaws.com", "hvs is a prefix", "b.example.com",
		"1 error occurred: * permission denied", "x509: certificate signed by unknown authority", "0123456789abcdef0123456789abcdef0123456789abcdef",
		"secret/data/moq/live-main/publish_subscribe", `open /var/lib/moq: no such file or directory`, "request id 7f4b2a52-0e2c-4d5c-9a3b-3b9d6b1f7a10",
		"github.com/rotatord/rotatord/internal/sinks_test.TestAPanicIsAnErrorOfOursThatShowsNoValue.func1, line 7", "größer als erlaubt", "100% of 5 & more \\ less",
		"check-and-set parameter did not match the current version",
	} {
		if got := redact.New(secret.New(canary), secret.New("another secret of the call")).Text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestATextIsOneLineThatSteersNoTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb\r\nc\td":             `a\nb\r\nc\td`,
		"\x1b[31mred\x1b[0m\a\x00": `\x1b[31mred\x1b[0m\a\x00`,
		"\u009b2J \x7f":            `\u009b2J \x7f`,
		"\u202Egnp.exe \u2066":     `\u202egnp.exe \u2066`,
		"\xff\xc3 ü":               `\xff\xc3 ü`,
		"\u2028\u200b\ufeff":       `\u2028\u200b\ufeff`,
	} {
		if got := (redact.Cleaner{}).Text(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := redact.Printable(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
	if got := redact.PrintableLines("a\x1b\nb\u202e"); got != "a\\x1b\nb\\u202e" {
		t.Errorf("Lines = %q", got)
	}
}

func TestALongTextIsCutBetweenWhatBelongsTogether(t *testing.T) {
	c := redact.New(secret.New(canary))
	for end, whole := range map[string]string{
		canary + " ": secret.Redacted + " ", "\u202e": `\u202e`, "\x1b": `\x1b`, "\xff": `\xff`, "ü": "ü",
	} {
		for n := range 20 {
			filler := strings.Repeat("é", 300+n)
			got := c.Text(filler + strings.Repeat(end, 300))
			if utf8.RuneCountInString(got) > redact.Limit || !strings.HasSuffix(got, "…") {
				t.Errorf("%d characters: %q", utf8.RuneCountInString(got), got)
			}
			rest := strings.TrimSuffix(strings.TrimPrefix(got, filler), "…")
			if rest = strings.ReplaceAll(rest, whole, ""); strings.TrimSpace(rest) != "" && rest != secret.Redacted {
				t.Errorf("%q is cut: %q is left", end, rest)
			}
		}
	}
	if got := c.Text(strings.Repeat("x", redact.Limit)); strings.Contains(got, "…") {
		t.Error("a text of just the limit is cut")
	}
}

func TestASecretAtTheEndOfWhatIsReadIsNotShown(t *testing.T) {
	for n := range len(canary) {
		text := strings.Repeat("y", 64<<10-n) + canary
		if got := redact.New(secret.New(canary)).Bounded(text, 1<<20); sinktest.ShownRun(got, canary) != "" {
			t.Errorf("%d characters before the end: %q", n, got[len(got)-50:])
		}
	}
}

func TestCleaningAgainChangesNothing(t *testing.T) {
	c := redact.New(secret.New(canary))
	for _, text := range []string{strings.Repeat("x\n", 1000), strings.Repeat(canary+" ", 100), "<html>", "\x1b\\x1b"} {
		once := c.Text(text)
		if again := c.Text(once); again != once {
			t.Errorf("%q became %q", once, again)
		}
	}
}

func TestAPageOfHTMLIsNamedNotRepeated(t *testing.T) {
	const named = "[an HTML page, as proxies send them]"
	for text, want := range map[string]string{
		"<html><body>blocked: " + canary: named,
		"<!DOCTYPE HTML PUBLIC>\nx":      named,
		"502: <HTML lang=x>":             "502: " + named,
		"a <b and c>":                    "a <b and c>",
	} {
		if got := (redact.Cleaner{}).Text(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if !redact.IsPage(" \n<!doctype html><title>x") || redact.IsPage("not a <html>") || redact.IsPage("") {
		t.Error("IsPage is wrong")
	}
}

func TestAnErrorKeepsOnlyItsWordsAndWhetherAContextEnded(t *testing.T) {
	c := redact.New(secret.New(canary))
	inner := fmt.Errorf("sent %s: %w", canary, context.DeadlineExceeded)
	err := c.Error(inner)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, inner) || strings.Contains(err.Error(), canary) {
		t.Errorf("error = %v", err)
	}
	if c.Error(nil) != nil {
		t.Error("no error became one")
	}
}

func TestALabelIsQuotedAndCut(t *testing.T) {
	for name, want := range map[string]string{
		"studio":                   `"studio"`,
		"a\"b\x1b[2J\n":            `"a\"b\x1b[2J\n"`,
		strings.Repeat("long", 50): `"` + strings.Repeat("long", 15) + `lon…"`,
	} {
		if got := redact.Label(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestANameIsQuotedUnlessItIsPlain(t *testing.T) {
	for name, want := range map[string]string{
		"studio-a": "studio-a", "moq:subscribe": "moq:subscribe", "": `""`, "two words": `"two words"`, "-rf": `"-rf"`, "a\x1b": `"a\x1b"`,
	} {
		if got := redact.Name(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestJSONIsTheSameDocumentWithoutWhatSteersATerminal(t *testing.T) {
	was := map[string]string{"a": "\u009b2J\u202e\x7f😀ü\U000e0041", "b": "\x1b\n"}
	doc, _ := json.MarshalIndent(was, "", "  ")
	got := redact.JSON(doc)
	var is map[string]string
	if err := json.Unmarshal(got, &is); err != nil || is["a"] != was["a"] || is["b"] != was["b"] {
		t.Errorf("%s: %v", got, err)
	}
	for _, r := range string(got) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is in %q", r, got)
		}
	}
}

func FuzzCleanedTextHoldsNoSecret(f *testing.F) {
	f.Add("cannot store %s", uint8(0), canary)
	f.Add("\x1b[2J%s\u202e<html>", uint8(3), "short1")
	f.Add("%25%s%", uint8(7), strings.Repeat(canary, 4))
	f.Fuzz(func(t *testing.T, around string, which uint8, value string) {
		value = strings.ToValidUTF8(value[:min(len(value), 500)], "?") // JSON can carry no other
		names := slices.Sorted(maps.Keys(sinktest.Encodings()))
		before, after, _ := strings.Cut(around, "%s")
		name := names[int(which)%len(names)]
		text := before + sinktest.Encodings()[name](value) + after
		whole := []string{value, "k7Q" + value, value + "Zz9", "k7Q" + value + "Zz9"}[which>>6] // of which a part is repeated
		got := redact.New(secret.New(whole)).Text(text)
		if n := utf8.RuneCountInString(got); n > redact.Limit || !utf8.ValidString(got) {
			t.Errorf("%d characters, valid %t", n, utf8.ValidString(got))
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("%q is in %q", r, got)
			}
		}
		if sinktest.ShownRun(text, value) == "" {
			return
		}
		if found := sinktest.ShownRun(got, value); found != "" {
			t.Errorf("%s: %q shows %q of %q", name, got, found, value)
		}
	})
}

func BenchmarkText(b *testing.B) {
	secrets := []secret.Value{secret.New(strings.Repeat(canary, 20)), secret.New("hvs." + strings.Repeat("CAESIJ", 16)), secret.New("hunter2pass")}
	for name, text := range map[string]string{
		"short": "Error: cannot store " + canary, "echo": strings.Repeat(`{"a":"`+sinktest.Encodings()["JSON"](canary)+`"},`, 64<<10/40), "prose": strings.Repeat("permission denied; ", 4000),
		"escapes": strings.Repeat("\x1b[2J", 20000), "names": strings.Repeat("secret_id=", 7000), "tokens": strings.Repeat("eyJ", 22000), "dots": strings.Repeat("s.", 33000),
		"one letter": strings.Repeat("a", 64<<10), "angles": strings.Repeat("<", 64<<10), "percents": strings.Repeat("%25", 22000),
	} {
		b.Run(name, func(b *testing.B) {
			c := redact.New(append(secrets, secret.New(strings.Repeat("a", 2000)))...)
			for b.Loop() {
				_ = c.Text(text)
			}
		})
	}
}

func TestAHostIsShownAndWhatIsNoneIsQuoted(t *testing.T) {
	for host, want := range map[string]string{
		"vault-1.example:8200": "vault-1.example:8200", "[2001:db8::1]:443": "[2001:db8::1]:443", "": "",
		"a\nb": `"a\nb"`, "a b": `"a b"`, strings.Repeat("x", 300): strings.Repeat("x", 260),
	} {
		if got := redact.Host(host); got != want {
			t.Errorf("%q is shown as %s, want %s", host, got, want)
		}
	}
}

func TestAFoldedTextIsOnOneLine(t *testing.T) {
	if got := redact.Folded(" 2 errors:\n\t* one\r\n\t* another "); got != "2 errors: * one * another" {
		t.Errorf("%q", got)
	}
}
