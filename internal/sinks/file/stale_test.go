package file

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// A file that cannot be opened cannot be asked for its maker's lock: its age decides.
func TestAStaleTemporaryFileThatCannotBeOpenedIsRemoved(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	target := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(temporaryBeside(target), []byte("half"), 0o600))
	chmod(t, temporaryBeside(target), 0)
	s := openWith(t, nil, hooks{})
	err := s.Write(t.Context(), target, secret.New("value"), sinks.WriteOptions{RotationID: "r"})
	wantRefusal(t, "Write beside a young one", err, refusal{fault.Retry, fault.Conflict, "stop the other process"})

	old := time.Now().Add(-2 * durable.StaleAge)
	must(t, os.Chtimes(temporaryBeside(target), old, old))
	tried(t, s, target)
	put(t, s, target, "value")
	wantContent(t, target, "value")
	if got := entries(t, filepath.Dir(target)); len(got) != 1 {
		t.Errorf("the folder holds %q", got)
	}
}

func TestAFolderWithTheTemporaryFilesNameIsInTheWay(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	must(t, os.Mkdir(temporaryBeside(target), 0o700))
	wantBothRefuse(t, openWith(t, nil, hooks{}), target, refusal{fault.Permanent, fault.Forbidden, "remove " + temporaryBeside(target)})
}

// The kernel's attributes keep a file as the sticky bit keeps another user's.
func TestATemporaryFileThatCannotBeRemovedIsInTheWay(t *testing.T) {
	target := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(temporaryBeside(target), nil, 0o600))
	s := openWith(t, nil, hooks{statx: func(path string, st *unix.Statx_t) error {
		if path == temporaryBeside(target) {
			st.Attributes = unix.STATX_ATTR_IMMUTABLE
		}
		return nil
	}})
	_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
	wantRefusal(t, "Probe", err, refusal{fault.Permanent, fault.Forbidden, "remove " + temporaryBeside(target)})
	if err != nil && !strings.Contains(err.Error(), "belongs to user "+uid()) {
		t.Errorf("%v does not say whose", err)
	}
}

func TestATemporaryFileOfAnotherUserInAStickyFolderIsInTheWay(t *testing.T) {
	if os.Getenv("ROTATORD_TEST_STICKY") != "" {
		dir, err := os.Getwd()
		must(t, err)
		target := filepath.Join(dir, "token")
		want := refusal{fault.Permanent, fault.Forbidden, "remove " + temporaryBeside(target)}
		wantBothRefuse(t, openWith(t, nil, hooks{}), target, want)
		w, err := walk(target)
		must(t, err)
		wantRefusal(t, "remove", toFault("write", target, errors.Join(w.removeStale(), w.Close())), want)
		return
	}
	if os.Geteuid() != 0 {
		return // the test above is its twin
	}
	dir := filepath.Join(t.TempDir(), "sticky")
	must(t, os.Mkdir(dir, 0o700))
	chmod(t, dir, 0o777|os.ModeSticky)
	chmod(t, filepath.Dir(dir), 0o755)
	chmod(t, filepath.Dir(filepath.Dir(dir)), 0o755)
	must(t, os.WriteFile(temporaryBeside(filepath.Join(dir, "token")), nil, 0o600))
	old := time.Now().Add(-2 * durable.StaleAge)
	must(t, os.Chtimes(temporaryBeside(filepath.Join(dir, "token")), old, old))
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Dir, cmd.Env = dir, []string{"ROTATORD_TEST_STICKY=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func lstat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info
}
