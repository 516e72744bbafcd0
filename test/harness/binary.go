package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Binary is the rotatord under test, built once, when a test first uses it. It is
// safe for concurrent use.
type Binary struct {
	Launcher
	build   func() (path string, err error)
	overlay func(dir string) (path string, err error) // of the build; nil: none
	dir     string
}

// NewBinary prepares a rotatord of the given file name: as it is released, or with
// the race detector. Remove it at the end.
func NewBinary(name string, race bool) *Binary {
	b := &Binary{Launcher: newLauncher()}
	b.build = sync.OnceValues(func() (string, error) { return b.make(name, race) })
	return b
}

// Path returns where the binary is.
func (b *Binary) Path(t testing.TB) string {
	t.Helper()
	return Must[string](t)(b.build())
}

// releaseFlags are those of the Makefile's build.
func releaseFlags() []string {
	return []string{
		"build", "-trimpath", "-gcflags=github.com/aws/...=-l", "-gcflags=github.com/hashicorp/...=-l", "-ldflags=-s -w -funcalign=16",
	}
}

func (b *Binary) make(name string, race bool) (path string, err error) {
	if b.dir, err = os.MkdirTemp("", "rotatord-binary-"); err != nil {
		return "", err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // other users run it too
		return "", err
	}
	path = filepath.Join(b.dir, name)
	args, env := append(releaseFlags(), "-o", path), append(os.Environ(), "CGO_ENABLED=0")
	if race {
		args, env = []string{"build", "-race", "-o", path}, os.Environ()
	}
	if b.overlay != nil {
		overlay, err := b.overlay(b.dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, "github.com/rotatord/rotatord/cmd/rotatord")...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build rotatord: %w\n%s", err, out)
	}
	return path, nil
}

// Remove deletes what was built.
func (b *Binary) Remove() { _ = os.RemoveAll(b.dir) }
