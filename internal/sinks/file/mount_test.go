package file

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// inNamespaces reports whether this process is root of a user and a mount namespace of its own. One that is not runs the
// test again in such, where that is allowed, and the caller returns: each test of the kind has a twin that takes hooks.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Getenv("ROTATORD_TEST_NAMESPACES") != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = []string{"TMPDIR=" + t.TempDir(), "ROTATORD_TEST_NAMESPACES=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && cmd.ProcessState == nil:
		t.Logf("this machine allows no namespaces: %v", err)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("in namespaces of its own: %v\n%s", err, out)
	}
	return false
}

var mountPointRefused = refusal{fault.Permanent, fault.Invalid, "mount its folder"}

func wantBothRefuse(t *testing.T, s *sink, target string, want refusal) {
	t.Helper()
	_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
	wantRefusal(t, "Probe", err, want)
	wantRefusal(t, "Write", s.Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"}), want)
}

func TestAFileThatIsMountedIsRefusedInTheKernelsOwnWords(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	dir := t.TempDir()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "the token")
	must(t, os.WriteFile(source, []byte("old"), 0o600))
	must(t, os.WriteFile(target, nil, 0o600))
	must(t, unix.Mount(source, target, "", unix.MS_BIND, ""))
	defer unix.Unmount(target, 0) //nolint:errcheck // it ends with the namespace
	if err := os.Rename(source, target); err == nil {
		t.Fatal("the kernel renames over a mount point")
	}
	wantBothRefuse(t, openWith(t, nil, hooks{}), target, mountPointRefused)
	wantBothRefuse(t, openWith(t, nil, hooks{statx: func(string, *unix.Statx_t) error { return unix.ENOSYS }}), target, mountPointRefused)
	wantContent(t, target, "old")
}

func TestAFileThatIsMountedIsRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/a folder", 0o700))
	must(t, os.Symlink("a folder", dir+"/link"))
	target := dir + "/link/token"
	must(t, os.WriteFile(target, []byte("old"), 0o600))
	real, err := filepath.EvalSymlinks(target)
	must(t, err)
	proc := t.TempDir()
	list := "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n36 22 8:1 /data/token " + strings.ReplaceAll(real, " ", `\040`) + " rw - ext4 /dev/root rw\n"
	must(t, os.WriteFile(proc+"/mountinfo", []byte(list), 0o600))

	statx := func(mask, attributes uint64) func(string, *unix.Statx_t) error {
		return func(_ string, st *unix.Statx_t) error {
			st.Attributes_mask, st.Attributes = mask, attributes
			return nil
		}
	}
	for name, h := range map[string]hooks{
		"the kernel says so":       {statx: statx(unix.STATX_ATTR_MOUNT_ROOT, unix.STATX_ATTR_MOUNT_ROOT)},
		"an older kernel's list":   {statx: statx(0, 0), proc: proc},
		"a kernel without statx":   {statx: func(string, *unix.Statx_t) error { return unix.ENOSYS }, proc: proc},
		"a filter that forbids it": {statx: func(string, *unix.Statx_t) error { return unix.EPERM }, proc: proc},
	} {
		t.Run(name, func(t *testing.T) { wantBothRefuse(t, openWith(t, nil, h), target, mountPointRefused) })
	}
	for name, h := range map[string]hooks{
		"the kernel knows better than its list": {statx: statx(unix.STATX_ATTR_MOUNT_ROOT, 0), proc: proc},
		"it is not in the list":                 {statx: statx(0, 0), proc: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) { put(t, openWith(t, nil, h), target, "new") })
	}
}

func TestPathsOfMountinfoAreRead(t *testing.T) {
	for text, want := range map[string]string{
		`/a`: "/a", `/a\040b\011c\012d\134e`: "/a b\tc\nd\\e", `/a\04`: `/a\04`, `/a\999`: `/a\999`, `/\303\244`: "/ä",
	} {
		if got := unescapeOctal(text); got != want {
			t.Errorf("unescape(%q) = %q, want %q", text, got, want)
		}
	}
}

// What the look did not see shows at the rename.
func TestABusyTargetIsExplained(t *testing.T) {
	for _, errno := range []error{unix.EBUSY, unix.ETXTBSY} {
		target := filepath.Join(t.TempDir(), "token")
		busy := at(stepRename, func() error {
			return &os.LinkError{Op: "rename", Old: temporaryBeside(target), New: target, Err: errno}
		})
		err := openWith(t, nil, busy).Write(t.Context(), target, secret.New("new"), sinks.WriteOptions{RotationID: "r"})
		wantRefusal(t, "Write", err, refusal{fault.Retry, fault.Storage, target + " is in use"})
	}
}
