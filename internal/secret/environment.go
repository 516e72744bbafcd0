package secret

import (
	"slices"
	"strings"
)

// Environment looks up variables as they were at one moment: rotatord reads its
// own once, at start. A nil one knows none. Being a function, it prints none.
type Environment func(name string) (value string, ok bool)

// NewEnvironment remembers entries of the form NAME=value, as os.Environ gives
// them. Of a name that comes twice the first counts, as for os.Getenv.
func NewEnvironment(entries []string) Environment {
	known := map[string]string{}
	for _, e := range slices.Backward(entries) {
		if name, value, ok := strings.Cut(e, "="); ok {
			known[name] = value
		}
	}
	return func(name string) (string, bool) {
		value, ok := known[name]
		return value, ok
	}
}

// Get returns the value of the variable, and "" when it is not set.
func (e Environment) Get(name string) string {
	value, _ := e.Lookup(name)
	return value
}

// Lookup returns the value of the variable, and reports whether it is set.
func (e Environment) Lookup(name string) (string, bool) {
	if e == nil {
		return "", false
	}
	return e(name)
}
