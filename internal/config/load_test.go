package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
)

func TestLoadNamesTheFileInItsFaults(t *testing.T) {
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
		missing: "read configuration " + missing + ": no such file or directory (name the file with -c; config.example.yaml is one to start from)",
		dir:     "read configuration " + dir + ": is a directory (name a readable file with -c)",
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
