package rotation

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestEachOutcomeIsReadAsItIsPrinted(t *testing.T) {
	var whole script
	for k := range callKinds {
		options := everyChoice(k).alternatives()
		for i, o := range options {
			d := deviation{k, 2 + i, o}
			whole = append(whole, d)
			if slices.Contains(options[:i], o) || o == "" || strings.ContainsAny(o, ";:#'") {
				t.Errorf("%s: %q is taken, empty or cannot stand in a script", k, o)
			}
			if got, err := parseDeviation(d.String()); err != nil || got != d {
				t.Errorf("%q is read as %v: %v", d, got, err)
			}
		}
	}
	for _, s := range []script{whole, whole[:2], whole[:1], nil} {
		if got, err := parseScript(s.String()); err != nil || !slices.Equal(got, s) {
			t.Errorf("%q is read as %q: %v", s, got, err)
		}
	}
}

func TestAScriptMakesTheRandomWalkThatItCameFrom(t *testing.T) {
	for i, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			x := newExplorer(t, s, 5)
			walked := x.run(atRandom(rand.New(rand.NewPCG(5, uint64(i)))))
			words := scriptOf(walked.choices).String()
			read, err := parseScript(words)
			if err != nil {
				t.Fatal(err)
			}
			if replayed := x.run(read.choose); !reflect.DeepEqual(replayed, walked) {
				t.Errorf("%q runs another way:\n%s\nthe walk was:\n%s", words, x.report(replayed), x.report(walked))
			}
		})
	}
}

// fragile is what is explored where no engine is: five rounds of a write, a creation and a save.
// Once the process may die. A promise is broken when the first write and later the second
// creation are lost.
func fragile(choose func(choice) int) (r runResult) {
	died := false
	call := func(kind callKind, of string, number int) (came string) {
		c := everyChoice(kind)
		c.turns = 0
		if c.number = number; died {
			c.deaths = 0
		}
		c.taken = choose(c)
		died = died || c.taken >= c.lives
		r.choices, r.trace = append(r.choices, c), append(r.trace, madeCall{choice: c, of: of})
		return c.option(c.taken).name
	}
	lost := false
	for n := range 5 {
		lost = call(writeCall, "sink0", n+1) == "lost before" && n == 0 || lost
		if call(createCall, "", n+1) == "lost after" && n == 1 && lost {
			r.broken = append(r.broken, "7: a write and a creation were lost")
		}
		call(saveCall, "", n+2)
	}
	return r
}

// listener keeps what a test is told.
type listener struct {
	testing.TB
	errors, logs []string
}

func (l *listener) Error(args ...any) { l.errors = append(l.errors, fmt.Sprint(args...)) }
func (l *listener) Errorf(s string, args ...any) {
	l.errors = append(l.errors, fmt.Sprintf(s, args...))
}
func (l *listener) Log(args ...any) { l.logs = append(l.logs, fmt.Sprint(args...)) }

// exploreFragile returns an explorer of the fragile calls, and what it tells.
func exploreFragile(t testing.TB) (*explorer, *listener) {
	told := &listener{TB: t}
	return &explorer{t: told, name: "overlap/fragile", seed: 3, run: fragile}, told
}

func TestAWrongScriptSaysWhatThereIs(t *testing.T) {
	const ofSave = "there are: disk full, process dies before, process dies after, another leads before, another leads and it is carried out later, " +
		"another leads for 5 s and it goes on, another leads for 40 s and it goes on"
	for _, c := range []struct{ script, want string }{
		{"", `"" is not of the form "create #2: lost after", or "every call goes well" for all of a script`},
		{"create 2: lost after", `"create 2: lost after" is not of the form`},
		{"create #0: lost after", `"create #0: lost after" is not of the form`},
		{"create #2: lost after;", `"" is not of the form`},
		{"mint #2: lost after", `"mint #2: lost after": there is no call "mint"; there are: ` +
			`create, rotate, list, revoke, prove, probe, read, write, save, order, clock, landing`},
		{"create #2", `create has no outcome ""; there are: lost before, lost after, refused, `},
		{"save #2: lost after", `save has no outcome "lost after"; ` + ofSave},
		{"save #2: goes well", `save has no outcome "goes well"; ` + ofSave},
		{"order #1: process dies before", `order has no outcome "process dies before"; there are: second goes first, third`},
		{"save #6: disk full; save #6: process dies before", "save #6 stands twice in the script"},
		{"create #2: lost after; save #1: disk full", `overlap/fragile: "save #1: disk full" was never reached; ` +
			`these calls may not go well in this run: create #1-#5, write #1-#5, save #2-#6`},
		{"save #2: process dies before; save #4: process dies after",
			`overlap/fragile: "save #4: process dies after" is not possible at this call; it may come to: disk full`},
	} {
		x, told := exploreFragile(t)
		x.replayWords(c.script)
		said := strings.Join(told.errors, "\n")
		if !strings.HasPrefix(said, "-explore.script: ") || !strings.Contains(said, c.want) {
			t.Errorf("%q: it says %q, want %q", c.script, said, c.want)
		}
	}
	const want = "-explore.scenario: there is no scenario \"overlap/plain\"; there are:\n  overlap/1 sinks\n  overlap/2"
	if _, err := scenarioNamed(scenarios(), "overlap/plain"); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("a scenario that does not exist: %v", err)
	}
}

func TestABrokenPromiseIsToldByTheShortestScriptThatBreaksIt(t *testing.T) {
	x, told := exploreFragile(t)
	x.walk(2000, rand.New(rand.NewPCG(1, 1)))
	const want = `overlap/fragile: write sink0 #1 lost before; create #2 lost after
breaks a promise:
  7: a write and a creation were lost
seed: 3
calls:
  00:00:00.000 write sink0 #1: lost before
  00:00:00.000 create #1: goes well
  00:00:00.000 save #2: goes well
  00:00:00.000 write sink0 #2: goes well
  00:00:00.000 create #2: lost after
`
	const command = `go test ./internal/rotation -run TestNoCombinationOfFaultsAndDeathsBreaksAPromise -explore.seed=3 ` +
		`-explore.scenario='overlap/fragile' -explore.script='write #1: lost before; create #2: lost after'`
	if len(told.errors) != 1 || !strings.HasPrefix(told.errors[0], want) || !strings.HasSuffix(told.errors[0], command) {
		t.Fatalf("told after %d walks: %q\nwant %q and last %q", x.runs, told.errors, want, command)
	}
	x.replayWords("write #1: lost before; create #2: lost after")
	if len(told.errors) != 2 || told.errors[1] != told.errors[0] {
		t.Errorf("the replay tells %q\nthe walk told %q", told.errors[1:], told.errors[0])
	}
	x.replayWords("write #1: lost before")
	const kept = "overlap/fragile: write sink0 #1 lost before\nkeeps every promise\n"
	if len(told.logs) != 1 || !strings.HasPrefix(told.logs[0], kept) {
		t.Errorf("of a script that breaks nothing it is said: %q", told.logs)
	}
}
