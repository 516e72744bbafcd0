package config

import (
	"slices"
	"strings"
	"testing"
)

const unused = "no slot delivers to this sink"

// besideUnused are the warnings of a configuration but for those of sinks that it does not need.
func besideUnused(cfg *Config) Diagnostics {
	return slices.DeleteFunc(slices.Clone(cfg.Warnings()), func(d Diagnostic) bool { return d.Text == unused })
}

func TestSinksAndAccountsThatNobodyUsesAreWarnedOf(t *testing.T) {
	text := strings.Replace(base, "sinks:\n", "  spare: {account_id: 123e105f4ecef8ad9ca31a8372d0c353, api_token: {file: /t}}\nsinks:\n", 1)
	text = strings.Replace(text, "defaults: {", "defaults: {account: main, ", 1)
	got := Diagnostics(parse(t, text).Warnings()).Error()
	want := "config.yaml:3:3: accounts.spare: no relay is of this account (take it out if it is not needed)\n" +
		"config.yaml:6:3: sinks.safe: " + unused + " (name it in the list `sinks` of a relay, of a token or in defaults, or take it out)"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	used := strings.Replace(base, "sinks: [disk]", "sinks: [disk, {sink: safe, required: false}]", 1)
	if got := parse(t, used).Warnings(); len(got) > 0 {
		t.Errorf("where all are used: %v", got)
	}
	if got := parse(t, strings.Split(base, "relays:")[0]+"relays: {}\n").Warnings(); strings.Contains(Diagnostics(got).Error(), unused) {
		t.Errorf("where there is no relay yet: %v", got)
	}
}
