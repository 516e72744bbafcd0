package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// patch is a unified diff, as `git diff` writes it and `git apply` takes it.
type patch []filePatch

// filePatch changes one file.
type filePatch struct {
	path  string // from the repository's root, with slashes
	hunks []hunk
}

// hunk is one piece of text that becomes another. Both are whole lines, context included.
type hunk struct{ old, new string }

var hunkHead = regexp.MustCompile(`^@@ -\d+(,\d+)? \+\d+(,\d+)? @@`)

// parsePatch reads a unified diff that changes files, and neither makes, removes nor renames one.
func parsePatch(text string) (patch, error) {
	var p patch
	var err error
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines) && err == nil; i++ {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "--- a/") && i+1 < len(lines):
			p, err = p.openFile(line, lines[i+1])
			i++
		case hunkHead.MatchString(line):
			p, err = p.openHunk()
		case line != "":
			err = p.add(line)
		}
	}
	if err == nil && len(p) == 0 {
		err = errors.New("it changes no file")
	}
	return p, err
}

func (p patch) openFile(before, after string) (patch, error) {
	path := strings.TrimSpace(strings.TrimPrefix(before, "--- a/"))
	if after = strings.TrimSpace(after); after != "+++ b/"+path {
		return p, fmt.Errorf("%q follows --- a/%s, where +++ b/%s belongs", after, path, path)
	}
	return append(p, filePatch{path: path}), nil
}

func (p patch) openHunk() (patch, error) {
	if len(p) == 0 {
		return p, errors.New("a hunk belongs to no file")
	}
	last := &p[len(p)-1]
	last.hunks = append(last.hunks, hunk{})
	return p, nil
}

// add adds a line to the last hunk.
func (p patch) add(line string) error {
	if len(p) == 0 || len(p[len(p)-1].hunks) == 0 {
		return fmt.Errorf("%q stands outside a hunk", strings.TrimSpace(line))
	}
	hunks := p[len(p)-1].hunks
	last := &hunks[len(hunks)-1]
	switch line[0] {
	case ' ':
		last.old, last.new = last.old+line[1:], last.new+line[1:]
	case '-':
		last.old += line[1:]
	case '+':
		last.new += line[1:]
	case '\n': // an empty line whose space an editor took away
		last.old, last.new = last.old+line, last.new+line
	default:
		return fmt.Errorf("a line of a hunk begins with neither space, - nor +: %q", strings.TrimSpace(line))
	}
	return nil
}

// apply returns src with all hunks applied. What a hunk changes must stand in it exactly once, wherever that
// is: code may move, and nothing is guessed. Each is looked for in src as it was.
func (f *filePatch) apply(src string) (string, error) {
	if len(f.hunks) == 0 {
		return "", fmt.Errorf("it changes nothing in %s", f.path)
	}
	out := src
	for _, h := range f.hunks {
		if h.old == h.new {
			return "", fmt.Errorf("a hunk changes nothing in %s", f.path)
		}
		if n := countLines(src, h.old); n != 1 {
			return "", fmt.Errorf("what it changes stands %d times in %s, and not once:\n%s", n, f.path, h.old)
		}
		out = replaceLines(out, h.old, h.new)
	}
	return out, nil
}

// countLines counts how often text, which is whole lines, stands in src as whole lines.
func countLines(src, text string) (n int) {
	src, text = "\n"+src, "\n"+text
	for i := strings.Index(src, text); i >= 0; i = strings.Index(src, text) {
		src, n = src[i+1:], n+1 // two may share a line
	}
	return n
}

func replaceLines(src, old, with string) string {
	return strings.Replace("\n"+src, "\n"+old, "\n"+with, 1)[1:]
}
