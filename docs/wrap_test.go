package docs

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// lineEnd is the column by which a line of a document's text ends.
const lineEnd = 100

func TestLinesOfDocumentsEndByColumn100(t *testing.T) {
	for _, file := range allMarkdown(t) {
		inCode := false
		for i, line := range strings.Split(read(t, file), "\n") {
			fence := strings.HasPrefix(strings.TrimSpace(line), "```")
			inCode = inCode != fence
			if n := utf8.RuneCountInString(line); n > lineEnd && !inCode && canBreak(line) {
				t.Errorf("%s, line %d, ends at column %d: %s", file, i+1, n, line)
			}
		}
	}
}

// A row after an empty line is text to who renders it.
func TestEveryTableBeginsWithItsHead(t *testing.T) {
	beginning, isHead := regexp.MustCompile(`(?m)\n\n\|.*\n.*$`), regexp.MustCompile(`\n\|[-|: ]+\|$`)
	tables := 0
	for _, file := range allMarkdown(t) {
		for _, begins := range beginning.FindAllString(read(t, file), -1) {
			tables++
			if !isHead.MatchString(begins) {
				t.Errorf("%s: rows without a head: %.100s", file, begins)
			}
		}
	}
	if tables < 20 {
		t.Errorf("only %d were found", tables)
	}
}

// itemMark begins an item of a list, or a quotation.
var itemMark = regexp.MustCompile(`^ *(?:(?:[-*+>]|\d+\.) +)*`)

// canBreak reports whether a line may go on in the next: a table's row, a heading and a word that is too long may not.
func canBreak(line string) bool {
	text := line[len(itemMark.FindString(line)):]
	return strings.Contains(text, " ") && !strings.HasPrefix(text, "|") && !strings.HasPrefix(text, "#")
}

// allMarkdown returns the paths of all documents of the main module.
func allMarkdown(t *testing.T) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && d.Name() != "testdata" && leave(path, d):
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(path) == ".md":
			out = append(out, strings.TrimPrefix(filepath.ToSlash(path), root+"/"))
		}
		return nil
	})
	if err != nil || len(out) < 10 {
		t.Fatalf("only %q were found (%v)", out, err)
	}
	return out
}
