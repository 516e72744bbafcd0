package slot

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Each transcript in testdata is one rule of docs/guarantees.md: a view in, the action out. testdata/README.md
// says how they are read and written: anew by who changes a rule, and looks at it; never where they are checked.
func TestTranscripts(t *testing.T) {
	if os.Getenv("CI") != "" && flag.Lookup("rewrite").Value.String() == "true" {
		t.Fatal("-rewrite would accept whatever the code does: run it by hand, and read the difference")
	}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if filepath.Ext(path) != ".txt" {
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := newTranscript(strings.Split(string(b), "\n"))
		datadriven.RunTest(t, path, s.run)
	})
}

// transcript is one file being run: the view of one slot, which its lines change.
type transcript struct {
	t       *testing.T
	line    int      // the present one, from 1
	file    []string // all of them
	section func() []form
	silent  bool
	out     []string

	instance string          // what is configured as its name
	stale    map[string]bool // locations whose store may answer with what was
	told     []string        // what people were told of targets since that was asked for

	v           View
	former      *Plan  // before the present one
	theirsIsOld bool   // no answer tells Cloudflare's time any more
	loaded      bool   // the record was loaded by this line: nobody else has it
	last        Action // what was decided last
}

// run runs one block: the lines above a ----.
func (s *transcript) run(t *testing.T, d *datadriven.TestData) string {
	_, number, _ := strings.Cut(d.Pos, ":")
	s.t, s.silent, s.section, s.out = t, false, nil, nil
	s.line, _ = strconv.Atoi(number)
	for ; s.file[s.line-1] != "----"; s.line++ {
		if text := strings.TrimSpace(s.file[s.line-1]); text != "" && !strings.HasPrefix(text, "#") {
			s.obey(text)
		}
		if s.line == len(s.file) {
			s.fatalf("the last block has no ----")
		}
	}
	return strings.Join(s.out, "\n")
}

// obey carries out one line, and prints what it changed in the record.
func (s *transcript) obey(text string) {
	s.loaded = false
	before, copied := recordLines(s.v.Record), s.v.Record.Clone()
	forms := s.commands()
	if s.section != nil {
		forms = append(forms, s.section()...)
	}
	s.understand(forms, text)
	if !s.v.Now.IsZero() {
		s.v.Record.NoteInitial(s.v.Plan, TimestampOf(s.v.Now))
	}
	if !s.loaded && !slices.Equal(before, recordLines(copied)) {
		s.fatalf("a copy of the record, perhaps on its way to the journal, was changed")
	}
	s.printAll(changes(before, recordLines(s.v.Record)))
}

func (s *transcript) print(format string, args ...any) {
	if !s.silent {
		s.out = append(s.out, fmt.Sprintf(format, args...))
	}
}

func (s *transcript) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("line %d: %s: %s", s.line, strings.TrimSpace(s.file[s.line-1]), fmt.Sprintf(format, args...))
}
