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

// findings hands on what is found, and counts what is bad. Sinks that are being opened have something to
// say, too, each when it comes to it.
type findings struct {
	report func(Finding)

	mu     sync.Mutex
	failed int
}

func (f *findings) found(l Level, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l == Failed {
		f.failed++
	}
	f.report(Finding{l, fmt.Sprintf(format, args...)})
}

// verdict is an error where something is bad.
func (f *findings) verdict() error {
	if f.failed == 0 {
		return nil
	}
	return fmt.Errorf("%s found", count(f.failed, "problem"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
