package config

import (
	"errors"
	"io/fs"
	"os"
	"reflect"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

// Load reads and checks the file at path. specs makes an empty configuration
// for each type of sink. A file that cannot be read is a *fault.Error; one that
// is wrong is Faults, with all that is wrong with it.
func Load(path string, specs map[string]func() sinks.Spec) (*Config, error) {
	return (*Config)(nil).Reload(path, specs)
}

// Reload is Load of what c was loaded from: the schedules that c knows, most of the
// work of a large fleet, are taken over.
func (c *Config) Reload(path string, specs map[string]func() sinks.Spec) (*Config, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, unreadable(path, err)
	}
	return c.reparse(path, data, specs)
}

func unreadable(path string, err error) error {
	out := fault.Newf(fault.Permanent, fault.Invalid, "read configuration", path, "%w", cause(err))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return out.WithHint("name the file with -c; config.example.yaml is one to start from")
	case errors.Is(err, fs.ErrPermission):
		return out.WithHint("let the user that rotatord runs as read the file and its folder")
	}
	return out.WithHint("name a readable file with -c")
}

// cause is err without the operation and path, which the caller names itself.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// Parse reads and checks a configuration; name stands for the file in faults.
// A configuration that is wrong is Faults.
func Parse(name string, data []byte, specs map[string]func() sinks.Spec) (*Config, error) {
	return (*Config)(nil).reparse(name, data, specs)
}

func (c *Config) reparse(name string, data []byte, specs map[string]func() sinks.Spec) (*Config, error) {
	var known []timing
	if c != nil {
		known = c.timings
	}
	if len(data) >= fleetBytes {
		if cfg := parseFleet(name, data, specs, known); cfg != nil {
			return cfg, nil
		}
	}
	return parseThoroughly(name, data, specs, known)
}

// parseThoroughly reads any file, and says of all that is wrong where it stands.
func parseThoroughly(name string, data []byte, specs map[string]func() sinks.Spec, known []timing) (*Config, error) {
	found := newCollector(name)
	root, err := parseText(data)
	if f, ok := errors.AsType[*flaw](err); ok {
		found.add(f.position, "", f.text, f.hint)
		return nil, found.result()
	}
	if root == nil {
		found.add(position{1, 1}, "", "the file is empty", "config.example.yaml is one to start from")
		return nil, found.result()
	}
	doc := newDocument(root)
	cfg := defaultConfig()
	decodeConfig(newDecoder(found, doc, specs), cfg)
	newChecker(cfg, found, doc, known).check()
	if err := found.result(); err != nil {
		return nil, err
	}
	return cfg, nil
}

func decodeConfig(d *decoder, cfg *Config) {
	for _, a := range d.doc.repeated {
		d.add(positionOf(a), "", "another anchor has this name", "give each its own")
	}
	d.decode(d.doc.root, reflect.ValueOf(cfg).Elem(), (*path)(nil))
}
