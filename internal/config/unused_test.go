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

// What each token overrides counts for no slot, and may be what the next token goes by.
func TestWhatNoSlotGoesByIsCheckedWhereItStands(t *testing.T) {
	for given, c := range map[string]struct{ token, want string }{
		"schedule: never":                    {"schedule: manual", "schedule: "},
		"lifetime: 400d":                     {"lifetime: 60d", "lifetime: must be at most one year (365d)"},
		"lifetime: 0s":                       {"lifetime: 60d", "lifetime: must be longer than 0"},
		"timezone: Nowhere":                  {"timezone: UTC", "timezone: must be a time zone that is known here"},
		"sinks: [{sink: disk, path: 'a b'}]": {"sinks: [disk]", "sinks[0].path: a target holds no spaces"},
		"sinks: [{sink: disk, path: '{{.'}]": {"sinks: [disk]", "sinks[0].path: template: "},
	} {
		onRelay := strings.Replace(change(t, "subscribe: {}", "subscribe: {"+c.token+"}"), "    tokens:", "    "+given+"\n    tokens:", 1)
		inDefaults := strings.Replace(change(t, "subscribe: {}", "subscribe: {"+c.token+"}"), "defaults: {sinks: [disk]}", "defaults: {"+given+"}", 1)
		if !strings.Contains(c.token, "sinks") {
			inDefaults = strings.Replace(inDefaults, "    tokens:", "    sinks: [disk]\n    tokens:", 1)
		}
		for at, text := range map[string]string{"relays.live-main.": onRelay, "defaults.": inDefaults} {
			if got := diagnosticsOf(t, text); strings.Count(got, "\n") > 0 || !strings.Contains(got, ": "+at+c.want) {
				t.Errorf("%s, with %s on the token: %s", given, c.token, got)
			}
		}
	}
}
