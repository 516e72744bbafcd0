// Package redact makes texts that others wrote fit to be shown: on one line, without what
// steers a terminal, without secrets, and short.
//
// What takes secrets out (Text, Bounded, Error, Label) goes by the secrets that are known and by
// what looks like one. The rest only escapes or cuts: Printable takes no secret out of a line.
package redact

import (
	"context"
	"errors"
	"strings"

	"github.com/rotatord/rotatord/internal/secret"
)

const (
	// Limit is how many characters Text gives at most.
	Limit = 500
	// maxRead is how many bytes of a text are looked at.
	maxRead = 64 << 10
	// run is how many characters of a secret in a row are too many to show. A secret that
	// is shorter than that is looked for whole, from shortest on.
	run      = 12
	shortest = 4
	// margin is how many bytes behind a character may decide whether it is shown.
	margin = 1 << 10
)

// Cleaner knows the secrets of one call. The zero Cleaner knows none: it takes out what looks
// like one. It is immutable and safe for concurrent use.
type Cleaner struct{ secrets []secret.Value }

// New returns a Cleaner that knows secrets, besides what looks like one anyway.
func New(secrets ...secret.Value) Cleaner { return Cleaner{secrets} }

// Text returns the beginning of text, cleaned: control characters, invalid UTF-8 and what else
// does not print are escaped, line breaks included; secrets are replaced by secret.Redacted, in
// whatever encoding they are; a page of HTML is named, not repeated; the rest is cut at Limit.
func (c Cleaner) Text(text string) string { return c.Bounded(text, Limit) }

// Bounded is Text with a limit of its own, in characters.
func (c Cleaner) Bounded(text string, limit int) string {
	known := c.secretForms()
	// Mostly the beginning of a long text fills what is shown.
	if size := 8 * (limit + margin); len(text) > size {
		if w := c.redactBeginning(text, size, limit, known); w.full && w.left > margin {
			return w.String()
		}
	}
	return c.redactBeginning(text, maxRead, limit, known).String()
}

// redactBeginning cleans the first size bytes of text.
func (c Cleaner) redactBeginning(text string, size, limit int, known [][]byte) *writer {
	text, page, more := firstPart(text, size)
	line := Printable(text)
	hidden := newSpans(len(line))
	for _, v := range viewsOf(line) {
		hideKnown(v, known, hidden)
		hideLookalikes(v, hidden)
	}
	w := &writer{room: limit, more: more}
	w.write(line, hidden)
	if page {
		w.addAtom("[" + Page + "]")
	}
	return w
}

// Error returns err's text, cleaned, as an error. Of what err was it keeps only whether a
// context ended. Error(nil) is nil.
func (c Cleaner) Error(err error) error {
	if err == nil {
		return nil
	}
	return &redacted{text: c.Text(err.Error()), is: contextEnd(err)}
}

// redacted is an error's safe wording.
type redacted struct {
	text string
	is   error
}

// Error implements error.
func (e *redacted) Error() string { return e.text }

// Unwrap returns the context's end, for errors.Is.
func (e *redacted) Unwrap() error { return e.is }

func contextEnd(err error) error {
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			return end
		}
	}
	return nil
}

// Page names what a proxy, a captive portal or a load balancer answers.
const Page = "an HTML page, as proxies send them"

// firstPart returns what is looked at of text: its first size bytes, and of those what stands before a
// page of HTML; page reports whether there was one, more whether something else was left out.
func firstPart(text string, size int) (part string, page, more bool) {
	if len(text) > size {
		text, more = text[:size], true
	}
	if at := pageStart(text); at >= 0 {
		return text[:at], true, false
	}
	return text, false, more
}

// IsPage reports whether text is a page of HTML.
func IsPage(text string) bool {
	return pageStart(strings.TrimSpace(text[:min(len(text), maxRead)])) == 0
}

// pageStart returns where a page of HTML begins in text, or -1.
func pageStart(text string) int {
	for at := 0; ; at++ {
		next := strings.IndexByte(text[at:], '<')
		if next < 0 {
			return -1
		}
		at += next
		for _, tag := range []string{"<!doctype html", "<html", "<head>", "<body"} {
			if rest := text[at:]; len(rest) >= len(tag) && strings.EqualFold(rest[:len(tag)], tag) {
				return at
			}
		}
	}
}
