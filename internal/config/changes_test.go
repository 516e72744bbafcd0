package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatAFileChangesIsToldByItsKeys(t *testing.T) {
	const rest = "defaults: {sinks: [disk]}\nrelays: {live: {id: a1b2c3d4e5f67890a1b2c3d4e5f67890, tokens: {subscribe: {}}}}\n"
	file := func(top, account, sinks string) *Config {
		return parse(t, top+"accounts: {main: {account_id: 023e105f4ecef8ad9ca31a8372d0c353, api_token: {file: /t}"+account+
			"}}\nsinks: {disk: {type: file, path: \"/t/{{.Relay}}/{{.Type}}\""+sinks+"}\n"+rest)
	}
	old := file("", "", "}")
	for name, c := range map[string]struct {
		next *Config
		want string
	}{
		"nothing":           {file("", "", "}"), "[] {[] [] []} {[] [] []}"},
		"settings":          {file("instance: b\nlog: {level: debug}\nserver: {listen: \"\"}\n", "", "}"), "[instance log.level server.listen] {[] [] []} {[] [] []}"},
		"what is inherited": {parse(t, strings.Replace(base, "defaults: {", "defaults: {verify: false, ", 1)), ""},
		"an account":        {file("", ", rate_limit: {share: 1}", "}"), "[] {[] [] []} {[] [] [{main [rate_limit]}]}"},
		"a sink":            {file("", "", ", probe_interval: 1m, timeout: 1s}"), "[] {[] [] [{disk [probe_interval timeout]}]} {[] [] []}"},
		"another sink":      {file("", "", "}, spare: {type: file, path: /s}"), "[] {[spare] [] []} {[] [] []}"},
	} {
		got := fmt.Sprint(old.ChangedSettings(c.next), old.ChangedSinks(c.next), old.ChangedAccounts(c.next))
		if c.want == "" {
			c.want, got = "[]", fmt.Sprint(old.ChangedSettings(c.next))
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	vault := parse(t, strings.Replace(base, "type: file, path:", "type: vault, path:", 1))
	if got := fmt.Sprint(parse(t, base).ChangedSinks(vault)); !strings.Contains(got, "[type]") {
		t.Errorf("of another type: %s", got)
	}
	if got := fmt.Sprint(file("", "", "}, spare: {type: file, path: /s}").ChangedSinks(old)); got != "{[] [spare] []}" {
		t.Errorf("removed: %s", got)
	}
}
