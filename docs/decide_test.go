package docs

import (
	"regexp"
	"slices"
	"testing"
)

func TestTheTableOfPartsIsWhatDecideAsks(t *testing.T) {
	t.Parallel()
	asked := firstGroups(t, "internal/slot/decide.go", `\(\*View\)\.(\w+)`)
	table := firstGroups(t, "docs/architecture.md", "(?m)^\\| `slot\\.(\\w+)` \\|")
	if len(asked) == 0 || !slices.Equal(asked, table) {
		t.Errorf("slot.Decide asks %q, and the table in architecture.md has %q", asked, table)
	}
}

// firstGroups is what a pattern's group matches in a file, one after the other.
func firstGroups(t *testing.T, file, pattern string) (out []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1) {
		out = append(out, m[1])
	}
	return out
}
