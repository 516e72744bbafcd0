package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Diagnostic is one thing that is wrong with a configuration file, and where. It
// repeats a value of the file only as quote.go allows: a secret may have been pasted anywhere.
type Diagnostic struct {
	File   string
	Line   int // from 1
	Column int // from 1, of the key (or list entry) that Path names
	Path   string
	Text   string // what is wrong
	Hint   string // what to do; may be empty
}

// String is the diagnostic's line: file:line:column: path: text (hint).
func (d Diagnostic) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", d.File, d.Line, d.Column)
	if d.Path != "" {
		b.WriteString(d.Path + ": ")
	}
	b.WriteString(d.Text)
	if d.Hint != "" {
		b.WriteString(" (" + d.Hint + ")")
	}
	return b.String()
}

// Diagnostics are all that is wrong with a file, in its order. As an error it
// prints one line for each.
type Diagnostics []Diagnostic

// Error joins the diagnostics' lines.
func (d Diagnostics) Error() string {
	lines := make([]string, len(d))
	for i := range d {
		lines[i] = d[i].String()
	}
	return strings.Join(lines, "\n")
}

func (d Diagnostics) sort() {
	slices.SortStableFunc(d, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Path, b.Path))
	})
}

// report collects diagnostics while a file is read. A path that was already found
// wrong is not reported again by later, less specific checks.
type report struct {
	file     string
	list     Diagnostics
	reported map[string]bool     // by path
	above    map[string]bool     // paths that something below is reported of
	unique   map[Diagnostic]bool // without path: a template used by many relays is reported once
}

func newReport(file string) *report {
	return &report{file: file, reported: map[string]bool{}, above: map[string]bool{}, unique: map[Diagnostic]bool{}}
}

func (r *report) add(at position, path, text, hint string) {
	r.reported[path] = true
	for up := parentOf(path); up != "" && !r.above[up]; up = parentOf(up) {
		r.above[up] = true
	}
	d := Diagnostic{File: r.file, Line: max(at.line, 1), Column: max(at.column, 1), Path: path, Text: text, Hint: hint}
	anywhere := d
	anywhere.Path = ""
	if !r.unique[anywhere] {
		r.unique[anywhere] = true
		r.list = append(r.list, d)
	}
}

// parentOf is a written path without its last key or entry; "" for one without a parent.
func parentOf(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// excuse keeps later checks from reporting path.
func (r *report) excuse(path string) { r.reported[path] = true }

// result is nil, or the sorted Diagnostics.
func (r *report) result() error {
	if len(r.list) == 0 {
		return nil
	}
	r.list.sort()
	return r.list
}
