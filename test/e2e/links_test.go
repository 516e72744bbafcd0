package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Somebody who may write beside the folder of the tokens puts a link in its place.
func TestALinkThatOthersCanChangeIsToldAndNotFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	open, victim := filepath.Join(w.Dir, "open"), filepath.Join(w.Dir, "victim")
	for _, dir := range []string{open, victim} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(open, "moq")); err != nil {
		t.Fatal(err)
	}
	w.configure(settings{
		Sinks: "  open: {type: file, path: '" + open + "/moq/{{.Relay}}.token'}\n", Defaults: "{schedule: manual, initial: now, sinks: [open]}",
	})
	told := "the link " + open + "/moq is not followed, because others than root and rotatord's user can change it: the folder " +
		open + " lets everybody write (mode 0777)"
	w.rotatord("check", "--online").Expect(t, 1, "FAIL", told, "write in path what it leads to")
	w.rotatord("run", "--once").Expect(t, 1, told)
	if list, err := os.ReadDir(victim); err != nil || len(list) > 0 {
		t.Errorf("where it leads there is %v (%v)", list, err)
	}
}

func TestRunAsRootTheDaemonSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	r := w.rotatord("run", "--once")
	if said := strings.Contains(r.Err, "rotatord runs as root"); said != (os.Geteuid() == 0) {
		t.Errorf("as user %d it says so: %t", os.Geteuid(), said)
	}
}
