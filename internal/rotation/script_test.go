package rotation

import (
	"fmt"
	"slices"
	"strings"
)

// A run of a scenario is told by its script: the calls that did not go well, and what came of
// them. Scripts are printed and read in words: "create #2: lost after; write #3: process dies before".

// deviation is one call that does not go well.
type deviation struct {
	kind    callKind
	number  int // of the calls of its kind, from 1
	outcome string
}

func (d deviation) String() string { return fmt.Sprintf("%s #%d: %s", d.kind, d.number, d.outcome) }

// script is all that does not go well in a run.
type script []deviation

// soundScript is how a script without a deviation is printed.
const soundScript = "every call goes well"

func (s script) String() string {
	if len(s) == 0 {
		return soundScript
	}
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = d.String()
	}
	return strings.Join(parts, "; ")
}

// scriptOf returns the script that a run came to.
func scriptOf(choices []choice) script {
	var out script
	for _, c := range choices {
		if c.taken > 0 {
			out = append(out, deviation{c.kind, c.number, c.option(c.taken).name})
		}
	}
	return out
}

// without returns the script with one deviation less.
func (s script) without(i int) script { return slices.Delete(slices.Clone(s), i, i+1) }

// of returns what a call comes to; false when it goes well.
func (s script) of(c choice) (deviation, bool) {
	i := slices.IndexFunc(s, func(d deviation) bool { return d.kind == c.kind && d.number == c.number })
	if i < 0 {
		return deviation{}, false
	}
	return s[i], true
}

// choose chooses as the script says, and that a call goes well whose deviation is not possible.
func (s script) choose(c choice) int {
	if d, ok := s.of(c); ok {
		i, _ := c.find(d.outcome)
		return i
	}
	return 0
}

// parseScript reads a script as String prints it.
func parseScript(text string) (script, error) {
	var out script
	if strings.TrimSpace(text) == soundScript {
		return out, nil
	}
	for part := range strings.SplitSeq(text, ";") {
		d, err := parseDeviation(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if _, twice := out.of(choice{kind: d.kind, number: d.number}); twice {
			return nil, fmt.Errorf("%s #%d stands twice in the script", d.kind, d.number)
		}
		out = append(out, d)
	}
	return out, nil
}

func parseDeviation(text string) (deviation, error) {
	var name string
	var d deviation
	call, came, _ := strings.Cut(text, ":")
	if n, _ := fmt.Sscanf(call+"\n", "%s #%d\n", &name, &d.number); n < 2 || d.number < 1 {
		return d, fmt.Errorf("%q is not of the form %q, or %q for all of a script",
			text, deviation{createCall, 2, "lost after"}, soundScript)
	}
	kind, ok := kindNamed(name)
	if !ok {
		return d, fmt.Errorf("%q: there is no call %q; there are: %s", text, name, listOf(allKinds()))
	}
	d.kind, d.outcome = kind, strings.TrimSpace(came)
	if possible := everyChoice(kind).alternatives(); !slices.Contains(possible, d.outcome) {
		return d, fmt.Errorf("%q: %s has no outcome %q; there are: %s", text, kind, d.outcome, listOf(possible))
	}
	return d, nil
}

// unmet says what of a script did not come to pass in a run that follows it.
func (s script) unmet(choices []choice) error {
	for _, d := range s {
		i := slices.IndexFunc(choices, func(c choice) bool { return c.kind == d.kind && c.number == d.number })
		if i < 0 {
			return fmt.Errorf("%q was never reached; these calls may not go well in this run: %s", d, reached(choices))
		}
		if _, possible := choices[i].find(d.outcome); !possible {
			return fmt.Errorf("%q is not possible at this call; it may come to: %s", d, listOf(choices[i].alternatives()))
		}
	}
	return nil
}

// reached lists at which calls of a run there was a choice: "create #2, write #1-#3 #7".
func reached(choices []choice) string {
	var out []string
	for k := range callKinds {
		var numbers []int
		for _, c := range choices {
			if c.kind == k {
				numbers = append(numbers, c.number)
			}
		}
		if len(numbers) > 0 {
			out = append(out, k.String()+" "+ranges(numbers))
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return listOf(out)
}

// ranges prints numbers that rise: "#1-#3 #7".
func ranges(numbers []int) string {
	var out []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if j == i {
			out = append(out, fmt.Sprintf("#%d", numbers[i]))
		} else {
			out = append(out, fmt.Sprintf("#%d-#%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return strings.Join(out, " ")
}

func allKinds() []string {
	out := make([]string, callKinds)
	for k := range callKinds {
		out[k] = k.String()
	}
	return out
}

func listOf(words []string) string { return strings.Join(words, ", ") }
