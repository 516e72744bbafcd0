package file

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	for _, format := range []sinks.Format{sinks.FormatRaw, sinks.FormatJSON, sinks.FormatEnv} {
		t.Run(string(format), func(t *testing.T) {
			c := NewConfig()
			c.Format = format
			sinktest.Run(t, newHarness(t, c))
		})
	}
}

// A process without privileges meets the kernel's own refusals.
func TestConformanceUnprivileged(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	h := newHarness(t, NewConfig())
	h.Deny = func(t *testing.T, target string) func() {
		chmod(t, filepath.Dir(target), 0o500)
		return func() { chmod(t, filepath.Dir(target), 0o750) }
	}
	sinktest.Run(t, h)
}

// newHarness returns a harness whose faults are injected: they need no privileges,
// and cannot be had otherwise with them.
func newHarness(t *testing.T, c *Config) sinktest.Harness {
	dir, faults := t.TempDir(), &faults{}
	var n atomic.Int64
	return sinktest.Harness{
		Open: func(t *testing.T) sinks.Sink {
			s, err := c.open(hooks{before: faults.before})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Target: func(*testing.T) string { return fmt.Sprintf("%s/relay%d/sub/token", dir, n.Add(1)) },
		Peek:   peek,
		Foreign: func(t *testing.T, target string) {
			must(t, os.MkdirAll(filepath.Dir(target), 0o700))
			must(t, os.WriteFile(target, []byte("somebody else's"), 0o600))
		},
		Break:    func(*testing.T) func() { return faults.set(func(step) error { return unix.EIO }) },
		Versions: func(t *testing.T, target string) int { return int(stat(t, target).Ino) },
		Hang: func(*testing.T) func() {
			gone := make(chan struct{})
			undo := faults.set(func(step) error { <-gone; return unix.EIO })
			return func() { undo(); close(gone) }
		},
	}
}

// faults is what the disk does at each step, nothing by default.
type faults struct {
	now atomic.Pointer[func(step) error]
}

func (f *faults) before(s step) error {
	if now := f.now.Load(); now != nil {
		return (*now)(s)
	}
	return nil
}

func (f *faults) set(now func(step) error) (undo func()) {
	f.now.Store(&now)
	return func() { f.now.Store(nil) }
}

// unprivileged reports whether this process has no privileges. One that has runs
// the test again as nobody, and the caller returns.
func unprivileged(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = []string{"TMPDIR=" + os.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

func peek(t *testing.T, target string) (string, bool) {
	t.Helper()
	b, err := os.ReadFile(target)
	if os.IsNotExist(err) {
		return "", false
	}
	must(t, err)
	return string(b), true
}

func stat(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return sysOf(info)
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	must(t, os.Chmod(path, mode))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openWith(t *testing.T, change func(*Config), h hooks) *sink {
	t.Helper()
	c := NewConfig()
	if change != nil {
		change(c)
	}
	s, err := c.open(h)
	must(t, err)
	return s
}

func put(t *testing.T, s *sink, target, content string) {
	t.Helper()
	must(t, s.Write(t.Context(), target, secret.New(content), sinks.WriteOptions{RotationID: "r"}))
}

func wantContent(t *testing.T, target, want string) {
	t.Helper()
	if got, exists := peek(t, target); !exists || got != want {
		t.Errorf("%s = %q (exists %t), want %q", target, got, exists, want)
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func opened(t *testing.T, dir string) *durable.Folder {
	t.Helper()
	f, err := durable.OpenFolder(dir)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}
