package harness

import (
	"os"
	"os/exec"
	"testing"
)

// FindTool returns where a command is that the tests call. Where it is not installed, found is false, and less is
// checked; with CI=true the test fails at once.
func FindTool(t testing.TB, name string) (path string, found bool) {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, true
	case os.Getenv("CI") == "true":
		t.Fatalf("%s must be installed here: %v", name, err)
	}
	t.Logf("%s is not installed: less was checked", name)
	return "", false
}

// NeedTool is FindTool for a command without which there is nothing to test: where it is missing the test is skipped.
func NeedTool(t testing.TB, name string) (path string) {
	t.Helper()
	path, found := FindTool(t, name)
	if !found {
		t.SkipNow()
	}
	return path
}
