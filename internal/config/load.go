package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Load reads and checks the file at path. specs makes an empty configuration
// for each type of sink. A file that cannot be read is a *fault.Error; one that
// is wrong is Diagnostics, all that is wrong with it.
func Load(path string, specs map[string]func() sinks.Spec) (*Config, error) {
	return (*Config)(nil).Reload(path, specs)
}

// Reload is Load of what c was loaded from: the schedules that c knows, most of the
// work of a large fleet, are taken over.
func (c *Config) Reload(path string, specs map[string]func() sinks.Spec) (*Config, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return c.reparse(path, data, specs)
}

// readBounded reads a file, and of one that is too large only so much that this shows.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var text bytes.Buffer
	if info, err := f.Stat(); err == nil {
		text.Grow(int(min(info.Size(), maxBytes)) + bytes.MinRead)
	}
	_, err = text.ReadFrom(io.LimitReader(f, maxBytes+1))
	return text.Bytes(), err
}

func unreadable(path string, err error) error {
	out := fault.Newf(fault.Permanent, fault.Invalid, "read configuration", path, "%w", cause(err))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return out.WithHint("name the file with -c or ROTATORD_CONFIG; config.example.yaml is one to start from")
	case errors.Is(err, fs.ErrPermission):
		return out.WithHint("who runs this must be able to read the file and its folder: root, say, or rotatord's user")
	}
	return out.WithHint("name a readable file with -c or ROTATORD_CONFIG")
}

// cause is err without the operation and path, which the caller names itself.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// Parse reads and checks a configuration; name stands for the file in diagnostics.
// A configuration that is wrong is Diagnostics.
func Parse(name string, data []byte, specs map[string]func() sinks.Spec) (*Config, error) {
	return (*Config)(nil).reparse(name, data, specs)
}

// reparse is Parse in three steps, decode, validate, resolve, with the schedules that c, which may be nil, knows.
func (c *Config) reparse(name string, data []byte, specs map[string]func() sinks.Spec) (*Config, error) {
	found := newReport(name)
	doc, err := readDocument(data)
	if wrong := asSyntaxError(err); wrong != nil {
		found.add(wrong.position, wrong.path, wrong.text, wrong.hint)
		return nil, found.result()
	}
	cfg := defaultConfig()
	if !newDecoder(found, doc, specs).decodeConfig(cfg) {
		return nil, found.result()
	}
	f := &pathReport{report: found, warnings: newReport(name), doc: doc}
	usable := validate(cfg, f)
	r := newResolver(cfg, f, usable, c.knownTimings())
	r.makePlans()
	if err := found.result(); err != nil {
		return nil, err
	}
	f.warnings.list.sort()
	cfg.warnings = f.warnings.list
	if cfg.State.Etcd != nil {
		cfg.replicas = replicaFacts{digestOf(cfg, specs), r.sharedFolders()}
	}
	return cfg, nil
}

func (c *Config) knownTimings() []timing {
	if c == nil {
		return nil
	}
	return c.timings
}
