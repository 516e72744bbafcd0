package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/test/harness"
)

// Somebody who is neither root nor owns anything, and a group that only a process which is put into it is in.
const (
	otherUser  = 65532
	otherGroup = 65533
)

// mounted is where a platform puts files: state folder and secret, with their modes.
type mounted struct {
	name                     string
	folder, files            os.FileMode // of state.path, and what is in it before a second start
	secretFolder, secretFile os.FileMode
	code                     int
	says                     string
}

// As root the layout is root's own and the process another user, in its group: as in a pod. Otherwise it is all one's own.
func TestWhereKubernetesAndSystemdPutFilesRotatordWorks(t *testing.T) {
	t.Parallel()
	for _, m := range []mounted{
		{"as it is made", 0o770, 0o600, 0o755, 0o640, 0, ""},
		{"an fsGroup and a Secret", os.ModeSetgid | 0o775, 0o660, os.ModeSticky | 0o777, 0o440, 0, ""},
		{"a journal for everybody", os.ModeSetgid | 0o770, 0o664, 0o755, 0o440, 1, "think whether the key is still secret"},
		{"a Secret for everybody", 0o770, 0o600, os.ModeSticky | 0o777, 0o444, 1, "defaultMode: 0440"},
		{"a Secret where everybody writes", 0o770, 0o600, 0o777, 0o440, 1, "others may replace"},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w := m.world(t)
			for round := range 2 {
				r := w.asOther("run", "--once")
				if last := round == 1 || m.code > 0 && strings.Contains(r.Err, m.says); last {
					r.Expect(t, m.code, m.says)
					break
				}
				r.Expect(t, 0)
				files, err := filepath.Glob(w.Path("state/*"))
				if err != nil || len(files) == 0 {
					t.Fatalf("the state folder is empty: %v", err)
				}
				for _, f := range files {
					w.set(f, m.files, false)
				}
			}
		})
	}
}

func TestAVolumeWhereEverybodyWritesIsToldWithTheCure(t *testing.T) {
	t.Parallel()
	m := mounted{folder: 0o777, secretFolder: 0o755, secretFile: 0o440}
	w := m.world(t)
	if os.Getuid() > 0 { // our own is repaired
		w.asOther("run", "--once").Expect(t, 0, "which let others in")
		return
	}
	w.asOther("run", "--once").Expect(t, 1, "emptyDir", w.Path("state/state"))
	w.Put("config.yaml", strings.ReplaceAll(w.Read("config.yaml"), w.Path("state"), w.Path("state/state")))
	w.asOther("run", "--once").Expect(t, 0)
}

// Who makes a lost identity anew is mostly root, whose file rotatord's user may not read.
func TestALostIdentityThatRootMakesAnewIsToldWithTheCure(t *testing.T) {
	t.Parallel()
	m := mounted{folder: 0o770, secretFolder: 0o755, secretFile: 0o440}
	w := m.world(t)
	w.asOther("run", "--once").Expect(t, 0)
	identity, who := w.Path("state/identity.txt"), os.Getuid()
	if who == 0 {
		who = otherUser
	}
	harness.Check(t, os.Remove(identity))
	w.asOther("run", "--once").Expect(t, 1, fmt.Sprintf("for the user %d, as whom rotatord runs (chown, mode 0600)", who))
	_, err := secret.CreateIdentity(identity)
	harness.Check(t, err)
	if os.Getuid() > 0 {
		harness.Check(t, os.Chmod(identity, 0))
	}
	w.asOther("run", "--once").Expect(t, 1, identity, fmt.Sprintf("rotatord runs as %d: let that user read it", who))
	w.set(identity, 0o600, false)
	w.asOther("run", "--once").Expect(t, 0)
}

func (m mounted) world(t *testing.T) *world {
	w := newWorld(t, 1)
	w.Put("secret/token", harness.APIToken)
	w.configure(settings{Defaults: "{schedule: manual, initial: now, sinks: [disk]}"})
	w.Put("config.yaml", strings.ReplaceAll(w.Read("config.yaml"), w.Path("api-token"), w.Path("secret/token")))
	for _, dir := range []string{"state", "tokens"} {
		if err := os.Mkdir(w.Path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.set(w.Dir, 0o775, true)
	w.set(w.ConfigFile(), 0o644, true)
	w.set(w.Path("tokens"), 0o775, true)
	w.set(w.Path("state"), m.folder, true)
	w.set(w.Path("secret/token"), m.secretFile, true)
	w.set(w.Path("secret"), m.secretFolder, true)
	return w
}

// set gives a file its group, where only root can, and its mode.
func (w *world) set(path string, mode os.FileMode, roots bool) {
	w.t.Helper()
	if os.Getuid() == 0 {
		owner := otherUser
		if roots {
			owner = 0
		}
		if err := os.Chown(path, owner, otherGroup); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		w.t.Fatal(err)
	}
}

// asOther runs a command as another user, where only root can.
func (w *world) asOther(args ...string) harness.Result {
	w.t.Helper()
	cmd := w.command(args...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUser, Gid: otherUser, Groups: []uint32{otherGroup}}}
	}
	return rotatord.Run(w.t, patience, cmd)
}
