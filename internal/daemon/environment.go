package daemon

import (
	"os"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/secret"
)

// vaultPrefix is how the names of Vault's own variables begin.
const vaultPrefix = "VAULT_"

// Environment is that of the process as it was at start.
type Environment struct {
	secret.Environment
	withheld []string // the variables that are in it and no longer in the process's
}

// TakeEnvironment remembers the environment and takes Vault's variables out of the
// process's: Vault's client obeys them, or fails for them, whatever the
// configuration says. What of them counts is read from what is remembered.
func TakeEnvironment() Environment {
	entries := os.Environ()
	e := Environment{Environment: secret.NewEnvironment(entries)}
	for _, entry := range entries {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, vaultPrefix) {
			_ = os.Unsetenv(name) // it was there, so its name is one
			e.withheld = append(e.withheld, name)
		}
	}
	slices.Sort(e.withheld)
	e.withheld = slices.Compact(e.withheld)
	return e
}
