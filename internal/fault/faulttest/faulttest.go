// Package faulttest compares what a backend's errors mean with a page that says so in words: a line
// an error, in the backend's testdata, so that a change of a meaning is read as a change of text.
// EveryRow wants an error on it for each row of a backend's tables.
package faulttest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
)

// Describe returns what an error says to the engine and to a person, on one line.
func Describe(err error) string {
	f := fault.Of(err)
	if f == nil {
		return "no error"
	}
	text := fmt.Sprintf("%s, %s: %v", f.Class, f.Reason, f.Err)
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// Page is what errors mean, a line an error.
type Page struct{ lines []string }

// Add appends the line that an error makes: what happened, and what that means.
func (p *Page) Add(happened string, err error) {
	p.lines = append(p.lines, happened+": "+Describe(err))
}

// Compare fails the test where the page is not the one in the file at path.
func (p *Page) Compare(t *testing.T, path string) {
	t.Helper()
	got := strings.Join(p.lines, "\n") + "\n"
	text, err := os.ReadFile(path) //nolint:gosec // the test names it
	if err != nil {
		t.Fatalf("%v; the page would be\n%s", err, got)
	}
	want := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := range max(len(want), len(p.lines)) {
		if a, b := lineAt(p.lines, i), lineAt(want, i); a != b {
			t.Errorf("%s, line %d:\n got %s\nwant %s", path, i+1, a, b)
		}
	}
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// EveryRow fails the test where a row of table counts for none of these errors: it would be hidden
// by one before it, or nobody's.
func EveryRow[E any](t *testing.T, table fault.Table[E], errs ...E) {
	t.Helper()
	counts := make([]bool, len(table))
	for _, err := range errs {
		if i := table.Index(err); i >= 0 {
			counts[i] = true
		}
	}
	for i, counts := range counts {
		if !counts {
			t.Errorf("row %d of the table counts for no error", i)
		}
	}
}
