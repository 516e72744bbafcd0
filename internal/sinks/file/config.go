// Package file is the sink that keeps each value in a file of its own, written whole or not at all.
//
// Everything begins with a walk to the target's folder (walk.go), which follows a link only where
// nobody but root and we could change it; the last folder is held open, and all is done in it,
// wherever its path leads by then. A write makes a temporary file there with its final mode, owner
// and access list, syncs it, and renames it over the target (disk.go). A probe asks the kernel what
// would keep it from that, and on trial goes the same way as far as nobody sees (probe.go,
// trial.go).
//
// The kernel may never answer, as with a network file system that hangs: every call runs apart from
// its caller, one at a target, and so many in all (sink.go). What each error means is in
// meanings.go; hooks.go is what tests fail.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Type is the sink's name in the configuration.
const Type = "file"

// Config is a file sink's configuration. Folders it has to make get mode 0750
// and the file's group, so that its readers can reach it.
type Config struct {
	sinks.Common `yaml:",inline"`

	// Template of the file's absolute path.
	Path string `yaml:"path" jsonschema:"required"`
	// What the file holds: the value alone, the record as JSON or as variables, or what template makes of them.
	Format sinks.Format `yaml:"format" jsonschema:"enum=raw,enum=json,enum=env,enum=template"`
	// The file's content, for format: template.
	Template string `yaml:"template"`
	// Permissions in octal, such as "0640".
	Mode string `yaml:"mode" jsonschema:"pattern=^0[0-7]{3}$"`
	// Name or id of the file's owner.
	Owner string `yaml:"owner"`
	// Name or id of the file's group.
	Group string `yaml:"group"`
	// With etcd: path lies on one file system that all replicas see.
	OneForAll bool `yaml:"shared"`
}

// NewConfig returns a configuration with the documented defaults.
func NewConfig() *Config {
	return &Config{Common: sinks.DefaultCommon(Type), Format: sinks.FormatRaw, Mode: "0640"}
}

// Diagnostics lists what is wrong with c.
func (c *Config) Diagnostics() []sinks.Diagnostic {
	out := sinks.TargetDiagnostics("path", c.Path, c.Locate)
	out = append(out, c.Format.Diagnostics(c.Template, sinks.FormatRaw, sinks.FormatJSON, sinks.FormatEnv, sinks.FormatTemplate)...)
	if _, err := parseMode(c.Mode); err != nil {
		out = append(out, sinks.Diagnostic{Key: "mode", Text: err.Error(), Hint: `put it in quotes: mode: "0640"`})
	}
	out = append(out, idDiagnostics("owner", "user", c.Owner)...)
	out = append(out, idDiagnostics("group", "group", c.Group)...)
	if folder, shared := c.SharedFolder(c.Path); shared && folder == "/" && c.Path != "" {
		out = append(out, sinks.Diagnostic{Key: "path", Text: "shared: true, and no folder is the same for all targets",
			Hint: "begin path with the folder where the shared file system is mounted"})
	}
	return out
}

var numberPattern = regexp.MustCompile(`^[+-]?[0-9]+$`)

// idDiagnostics refuses a number that is no id. Whether there is such a name shows where files are written.
func idDiagnostics(key, what, value string) []sinks.Diagnostic {
	if _, isID := parseNumber(value); isID || !numberPattern.MatchString(value) {
		return nil
	}
	text := fmt.Sprintf("must be the name or the id of a %s, not %q", what, value)
	return []sinks.Diagnostic{{Key: key, Text: text, Hint: "an id is from 0 to 4294967294"}}
}

// TargetTemplate returns the template of the file's path.
func (c *Config) TargetTemplate() string { return c.Path }

// Locate returns file:// and the path. The path must be absolute and clean;
// symbolic links in it are not resolved here (see walk).
func (c *Config) Locate(target string) (string, error) {
	switch {
	case !filepath.IsAbs(target):
		return "", fmt.Errorf("path %q is not absolute", target)
	case filepath.Clean(target) != target:
		return "", fmt.Errorf("path %q is not clean: write %q", target, filepath.Clean(target))
	case target == "/":
		return "", errors.New("path / is a folder")
	case strings.ContainsRune(target, 0):
		return "", fmt.Errorf("path %q holds a NUL", target)
	}
	return "file://" + target, nil
}

// Render returns the file's bytes; json ends with a newline.
func (c *Config) Render(t *sinks.Templates, r sinks.Record) (secret.Value, error) {
	v, err := c.Format.Render(t, c.Template, r)
	if err == nil && c.Format == sinks.FormatJSON {
		v = secret.New(v.Reveal() + "\n")
	}
	return v, err
}

// MaxContent implements sinks.Spec.
func (c *Config) MaxContent() int { return maxSize }

// IsOnThisMachine reports that files are.
func (c *Config) IsOnThisMachine() bool { return true }

// SharedFolder returns the folder of a template's targets as far as they have one in common; ok is false where the
// sink is not said to be one for all replicas.
func (c *Config) SharedFolder(template string) (folder string, ok bool) {
	common, _, _ := strings.Cut(template, "{{")
	return filepath.Clean("/" + common[:strings.LastIndexByte(common, '/')+1]), c.OneForAll
}

// Open builds the sink. It touches no file.
func (c *Config) Open(_ context.Context, o sinks.OpenOptions) (sinks.Sink, error) {
	s, err := c.open(hooks{})
	if err == nil {
		s.disk.mayAct = o.MayAct
	}
	if err == nil && 0 < o.Files && o.Files < maxBusy {
		s.busy = newBusy(o.Files)
	}
	return s, err
}

func (c *Config) open(h hooks) (*sink, error) {
	mode, err := parseMode(c.Mode)
	if err != nil {
		return nil, err
	}
	return &sink{
		config: *c, mode: mode, disk: disk{hooks: h},
		busy: newBusy(maxBusy),
	}, nil
}

// modePattern wants four digits: YAML reads a bare 0640 as a number, and hands on "416".
var modePattern = regexp.MustCompile(`^0[0-7]{3}$`)

func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	switch {
	case err != nil || !modePattern.MatchString(s):
		return 0, fmt.Errorf("mode %q is not 0 and three octal digits", s)
	case n&0o002 != 0:
		return 0, fmt.Errorf("mode %q lets everybody write the token", s)
	}
	return fs.FileMode(n), nil
}
