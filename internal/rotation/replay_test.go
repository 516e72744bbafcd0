package rotation

import (
	"fmt"
	"strings"
)

// What is said of a run that breaks a promise, and how it is made once more.

// shrinkRuns bounds how many runs are made to shorten a script.
const shrinkRuns = 400

// shrink leaves out of a run whatever it breaks the same promise without, one deviation at a time.
func (x *explorer) shrink(long runResult) runResult {
	short, promise, shorter := long, long.promise(), true
	for runs := 0; shorter; {
		shorter = false
		for i := 0; i < len(scriptOf(short.choices)); {
			if runs++; runs > shrinkRuns {
				return short
			}
			if next := x.run(scriptOf(short.choices).without(i).choose); next.promise() == promise {
				short, shorter = next, true
			} else {
				i++
			}
		}
	}
	return short
}

// promise is the number of the promise that the run broke first; "" when it broke none.
func (r runResult) promise() string {
	if len(r.broken) == 0 {
		return ""
	}
	number, _, _ := strings.Cut(r.broken[0], ":")
	return number
}

// report says what became of a run, and how to make it once more.
func (x *explorer) report(r runResult) string {
	verdict := "keeps every promise"
	if len(r.broken) > 0 {
		verdict = "breaks a promise:\n  " + strings.Join(r.broken, "\n  ")
	}
	var calls strings.Builder
	for _, c := range r.trace {
		fmt.Fprintf(&calls, "\n  %s", c)
	}
	return fmt.Sprintf("%s: %s\n%s\nseed: %d\ncalls:%s\nreplay:\n  %s",
		x.name, r.deviations(), verdict, x.seed, calls.String(), x.command(scriptOf(r.choices)))
}

// deviations says in short which calls did not go well, with the sink of each.
func (r runResult) deviations() string {
	var out []string
	for _, c := range r.trace {
		if c.taken > 0 {
			out = append(out, c.name()+" "+c.option(c.taken).name)
		}
	}
	if len(out) == 0 {
		return soundScript
	}
	return strings.Join(out, "; ")
}

// command replays a script.
func (x *explorer) command(s script) string {
	const words = "go test ./internal/rotation -run TestNoCombinationOfFaultsAndDeathsBreaksAPromise " +
		"-explore.seed=%d -explore.scenario='%s' -explore.script='%s'"
	return fmt.Sprintf(words, x.seed, x.name, s)
}

// scenarioNamed returns the scenario that has a name.
func scenarioNamed(all []scenario, name string) (scenario, error) {
	names := make([]string, len(all))
	for i, s := range all {
		if s.name == name {
			return s, nil
		}
		names[i] = s.name
	}
	return scenario{}, fmt.Errorf("-explore.scenario: there is no scenario %q; there are:\n  %s",
		name, strings.Join(names, "\n  "))
}

// replayWords makes the run of a script in words and logs its report. It is an error when there is
// no such run, and when it breaks a promise.
func (x *explorer) replayWords(words string) {
	s, err := parseScript(words)
	if err != nil {
		x.t.Errorf("-explore.script: %v", err)
		return
	}
	r := x.run(s.choose)
	if err := s.unmet(r.choices); err != nil {
		x.t.Errorf("-explore.script: %s: %v", x.name, err)
		return
	}
	if len(r.broken) > 0 {
		x.t.Error(x.report(r))
		return
	}
	x.t.Log(x.report(r))
}
