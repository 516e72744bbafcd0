package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration file, and where. It
// never holds a value of the file: a secret may have been pasted anywhere.
type Fault struct {
	File   string
	Line   int // from 1
	Column int // from 1, of the key (or list entry) that Path names
	Path   string
	Text   string // what is wrong
	Hint   string // what to do; may be empty
}

// String is the fault's line: file:line:column: path: text (hint).
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Text)
	if f.Hint != "" {
		b.WriteString(" (" + f.Hint + ")")
	}
	return b.String()
}

// Faults are all that is wrong with a file, in its order. As an error it
// prints one line for each.
type Faults []Fault

// Error joins the faults' lines.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Path, b.Path))
	})
}

// collector gathers faults while a file is read. A path that was already found
// at fault is not blamed again by later, less specific checks.
type collector struct {
	file   string
	faults Faults
	blamed map[string]bool
	said   map[Fault]bool // a template used by many relays is blamed once
}

func newCollector(file string) *collector {
	return &collector{file: file, blamed: map[string]bool{}, said: map[Fault]bool{}}
}

func (c *collector) add(p position, path, text, hint string) {
	c.blamed[path] = true
	f := Fault{File: c.file, Line: max(p.line, 1), Column: max(p.column, 1), Path: path, Text: text, Hint: hint}
	key := f
	key.Path = ""
	if !c.said[key] {
		c.said[key] = true
		c.faults = append(c.faults, f)
	}
}

// excuse keeps later checks from blaming path.
func (c *collector) excuse(path string) { c.blamed[path] = true }

// result is nil, or the sorted Faults.
func (c *collector) result() error {
	if len(c.faults) == 0 {
		return nil
	}
	c.faults.sort()
	return c.faults
}
