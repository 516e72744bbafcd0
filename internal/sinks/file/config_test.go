package file

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks"
)

func TestDiagnosticsNameTheirKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		key    string // "" for none
		text   string
	}{
		"nothing wrong":                    {func(*Config) {}, "", ""},
		"no path":                          {func(c *Config) { c.Path = "" }, "path", "missing"},
		"relative path":                    {func(c *Config) { c.Path = "moq/{{.Relay}}" }, "path", "not absolute"},
		"path that is not clean":           {func(c *Config) { c.Path = "/moq/../{{.Relay}}" }, "path", "not clean"},
		"path to a folder":                 {func(c *Config) { c.Path = "/{{.Relay}}/" }, "path", "not clean"},
		"unknown word":                     {func(c *Config) { c.Path = "/{{.Token}}" }, "path", "Token"},
		"template that ends soon":          {func(c *Config) { c.Path = "/{{.Relay" }, "path", "unclosed"},
		"unknown format":                   {func(c *Config) { c.Format = "xml" }, "format", "xml"},
		"template without use":             {func(c *Config) { c.Template = "{{.Token}}" }, "template", "format is raw"},
		"format without template":          {func(c *Config) { c.Format = "template" }, "template", "missing"},
		"template's unknown word":          {func(c *Config) { c.Format, c.Template = "template", "{{.Nope}}" }, "template", "Nope"},
		"template without the token":       {func(c *Config) { c.Format, c.Template = "template", "{{.TokenID}}" }, "template", "does not hold the token"},
		"owner of no user's id":            {func(c *Config) { c.Owner = "-1" }, "owner", "id of a user"},
		"owner of the id that none has":    {func(c *Config) { c.Owner = "4294967295" }, "owner", "id of a user"},
		"group of no group's id":           {func(c *Config) { c.Group = "99999999999999999999" }, "group", "id of a group"},
		"the largest ids":                  {func(c *Config) { c.Owner, c.Group = "4294967294", "4294967294" }, "", ""},
		"an owner's name":                  {func(c *Config) { c.Owner = "moq" }, "", ""},
		"mode in words":                    {func(c *Config) { c.Mode = "u=rw" }, "mode", "octal"},
		"mode that YAML took for a number": {func(c *Config) { c.Mode = "420" }, "mode", "three octal digits"},
		"mode with setuid":                 {func(c *Config) { c.Mode = "4640" }, "mode", "three octal digits"},
		"mode for everybody":               {func(c *Config) { c.Mode = "0666" }, "mode", "everybody"},
		"shared, in a folder":              {func(c *Config) { c.OneForAll = true }, "", ""},
		"shared, in no folder of its own":  {func(c *Config) { c.OneForAll, c.Path = true, "/{{.Relay}}/x" }, "path", "no folder"},
		"shared, without a path":           {func(c *Config) { c.OneForAll, c.Path = true, "" }, "path", "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			config := NewConfig()
			config.Path = "/var/lib/moq/{{.Relay}}/{{.Type}}.token"
			c.change(config)
			got := config.Diagnostics()
			if c.key == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || got[0].Key != c.key || !strings.Contains(got[0].Text, c.text) {
				t.Errorf("Diagnostics = %+v, want one of %q with %q", got, c.key, c.text)
			}
		})
	}
}

func TestLocateGivesTheSamePlaceTheSameName(t *testing.T) {
	got, err := NewConfig().Locate("/var/lib/moq/a")
	if err != nil || got != "file:///var/lib/moq/a" {
		t.Errorf("Locate = %q, %v", got, err)
	}
	for _, bad := range []string{"", "/", "a", "/a//b", "/a/", "/a/../b", "/a\x00b"} {
		if got, err := NewConfig().Locate(bad); err == nil {
			t.Errorf("Locate(%q) = %q, want an error", bad, got)
		}
	}
}

var _ sinks.Spec = (*Config)(nil)
