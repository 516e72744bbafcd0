package daemon

import (
	"fmt"
	"sync"
)

// Level says how good a Finding is, in the word that is printed before it.
type Level string

// The levels. A Heading says what the findings after it are about.
const (
	Heading Level = ""
	OK      Level = "ok"
	Note    Level = "note"
	Warning Level = "warn"
	Failed  Level = "FAIL"
)

// Finding is one thing that a check found out. Its text may hold what others wrote.
type Finding struct {
	Level Level
	Text  string
}

// Verdict is what came of a check.
type Verdict struct {
	Faults   []string // each with what it is about
	Warnings int
}

// findings hands on what is found, and remembers what is bad. Sinks that are being opened have something to
// say, too, each when it comes to it.
type findings struct {
	report func(Finding)

	mu      sync.Mutex
	heading string
	verdict Verdict
}

func (f *findings) found(l Level, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	switch l {
	case Heading:
		f.heading = text
	case Warning:
		f.verdict.Warnings++
	case Failed:
		f.verdict.Faults = append(f.verdict.Faults, f.heading+": "+text)
	}
	f.report(Finding{l, text})
}

// Err is an error where something is bad.
func (v Verdict) Err() error {
	if len(v.Faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s found", count(len(v.Faults), "fault"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
