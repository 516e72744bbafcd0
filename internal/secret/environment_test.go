package secret

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnEnvironmentKnowsWhatItWasMadeOf(t *testing.T) {
	e := NewEnvironment([]string{"A=one", "A=two", "EMPTY=", "WITH=a=b", "no variable"})
	for name, want := range map[string]string{"A": "one", "EMPTY": "", "WITH": "a=b"} {
		if got, ok := e.Lookup(name); got != want || !ok {
			t.Errorf("%s = %q, %t; want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"no variable", "", "B"} {
		if _, ok := e.Lookup(name); ok {
			t.Errorf("%q is set", name)
		}
	}
	if _, ok := Environment(nil).Lookup("A"); ok {
		t.Error("a nil environment knows a variable")
	}
}

func TestAnEnvironmentPrintsNoVariable(t *testing.T) {
	held := struct {
		Shown  Environment
		hidden Environment
	}{NewEnvironment([]string{"A=" + canary}), NewEnvironment([]string{"A=" + canary})}
	if held.hidden.Get("A") != canary {
		t.Fatal("the canary is not in it: the test cannot fail")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if text := fmt.Sprintf(verb, held); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s shows a variable", verb)
		}
	}
}
