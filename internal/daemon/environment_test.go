package daemon

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
)

// vaultNames are the variables that Vault's client declares, in its source.
func vaultNames(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/hashicorp/vault/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source: %v", err)
	}
	names := map[string]bool{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(VAULT_[A-Z0-9_]+)"`).FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
	}
	if len(names) < 20 || !names["VAULT_MAX_RETRIES"] {
		t.Fatalf("only %d names were found: the test cannot fail", len(names))
	}
	return slices.Sorted(maps.Keys(names))
}

func TestNoVariableOfVaultHasAnEffectWhereTheAddressIsInTheFile(t *testing.T) {
	for _, name := range vaultNames(t) {
		for _, value := range []string{"abc", "-1", "true", "1s", "/nowhere/file", "http://127.0.0.1:1", `{"X-Other": "1"}`, "1:x"} {
			t.Run(name+"="+value, func(t *testing.T) {
				o := newOpening(t)
				t.Setenv(name, value)
				p := o.open(t)
				for _, found := range p.troubles {
					if found.name == "vault" { // another sink may be slow to open
						t.Error(found.err)
					}
				}
				if err := try(t, p, "vault"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestTheEnvironmentIsReadOnceAndVaultsPartOfItIsTakenOut(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "s.canary")
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("ROTATORD_TEST_OTHER", "stays")
	e := TakeEnvironment()
	for _, name := range []string{"VAULT_TOKEN", "VAULT_ADDR"} {
		if _, there := os.LookupEnv(name); there {
			t.Errorf("%s is still there", name)
		}
		if !slices.Contains(e.withheld, name) {
			t.Errorf("%s is not said to be withheld: %q", name, e.withheld)
		}
	}
	t.Setenv("ROTATORD_TEST_OTHER", "changed")
	if v, err := (secret.Source{Env: "VAULT_TOKEN"}).Read(e.Environment); err != nil || v.Reveal() != "s.canary" {
		t.Errorf("VAULT_TOKEN as a secret: %v", err)
	}
	if e.Get("ROTATORD_TEST_OTHER") != "stays" {
		t.Error("a variable was read later than at start")
	}
}
