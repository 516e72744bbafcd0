package sinks

import (
	"strings"
	"text/template"
)

// functionsHint lists what functions returns, for who wrote a template that does not work.
const functionsHint = `; functions: dns, upper, lower, replace "a" "b"`

// functions returns what a template may call besides text/template's own functions.
// The text that is worked on comes last, so that it can be piped in: {{.Type | replace "_" "-"}}.
func functions() template.FuncMap {
	return template.FuncMap{
		"dns":     dnsName,
		"upper":   strings.ToUpper,
		"lower":   strings.ToLower,
		"replace": func(old, with, text string) string { return strings.ReplaceAll(text, old, with) },
	}
}

// dnsName returns a name as DNS, and stores that keep to its rules, take it: in lower case,
// and with hyphens in place of underscores.
func dnsName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }
