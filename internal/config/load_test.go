package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

func TestLoadNamesTheFileInItsDiagnostics(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rotatord.yaml")
	if err := os.WriteFile(name, []byte(base+"quux: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(name, fakeSpecs())
	if err == nil || !strings.HasPrefix(err.Error(), name+":12:1: quux: unknown key") {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatCannotBeReadSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "config.yaml")
	for name, want := range map[string]string{
		missing: "read configuration " + missing + ": no such file or directory (name the file with -c or ROTATORD_CONFIG; config.example.yaml is one to start from)",
		dir:     "read configuration " + dir + ": is a directory (name a readable file with -c or ROTATORD_CONFIG)",
	} {
		_, err := Load(name, fakeSpecs())
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Class != fault.Permanent || f.Reason != fault.Invalid {
			t.Errorf("%v is not a permanent fault", err)
		}
	}
}

func TestAReloadIsALoadThatTakesOverSchedules(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rotatord.yaml")
	load := func(text string, load func(string, map[string]func() sinks.Spec) (*Config, error)) *Config {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := load(name, fakeSpecs())
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	for _, relays := range []int{2, 50} {
		before := fleet(relays)
		after := strings.Replace(before, `"0 */6 * * *"`, `"0 */3 * * *"`, 1)
		first := load(before, Load)
		got, want := load(after, first.WithoutFleet().Reload), load(after, Load)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d relays: a reload gives another configuration than a load", relays)
		}
		if a, b := first.Plans()[0], got.Plans()[0]; a.Schedule == nil || a.Schedule != b.Schedule {
			t.Errorf("%d relays: a schedule that did not change was read again", relays)
		}
		if a, b := first.Plans()[1], got.Plans()[1]; a.Schedule == b.Schedule || b.Expr != "0 */3 * * *" {
			t.Errorf("%d relays: the change is not seen: %s", relays, b.Expr)
		}
	}
}
