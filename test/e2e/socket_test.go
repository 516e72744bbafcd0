package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// grouped is a world whose socket is open to a group that other users are in.
func grouped(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, 1)
	w.configure(settings{})
	w.set(w.Dir, 0o755, true)
	group := otherGroup
	if os.Getuid() > 0 {
		group = os.Getgid()
	}
	open := fmt.Sprintf("admin_socket: %s, admin_socket_group: \"%d\", admin_socket_mode: \"0660\"", w.Socket(), group)
	w.Put("config.yaml", strings.Replace(w.Read("config.yaml"), "admin_socket: "+w.Socket(), open, 1))
	return w
}

func TestAMemberOfTheSocketsGroupNeedsNoRightOnTheConfiguration(t *testing.T) {
	t.Parallel()
	w := grouped(t)
	d := w.start()
	harness.Check(t, os.Chmod(w.ConfigFile(), 0))
	w.asOther("status").Expect(t, 3, "no daemon answers at /run/rotatord/admin.sock (the default: "+w.ConfigFile()+": permission denied)")
	w.env = append(w.env, "ROTATORD_SOCKET="+w.Socket())
	for _, verb := range [][]string{
		{"rotate", "live"}, {"status", "--check"}, {"history"}, {"plan"}, {"tokens", "live"}, {"tokens", "prune", "live", "--yes"},
	} {
		r := w.asOther(verb...).Expect(t, 0)
		if r.Err != "" {
			t.Errorf("%q complains: %s", verb, r.Err)
		}
	}
	d.served(0, "live/subscribe")
	w.asOther("check").Expect(t, 2, "permission denied", "who runs this must be able to read the file")
	if os.Getuid() > 0 {
		return // nobody here is kept out
	}
	w.asOther("reload").Expect(t, 0) // root reads whatever there is
	harness.Check(t, os.Chown(w.Socket(), 0, 0))
	w.asOther("status").Expect(t, 3, "permission denied", "it belongs to root and group root, with mode 0660", "member of that group")
}

func TestTheConfigurationIsNamedByAVariable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.configure(settings{})
	w.env = append(w.env, "ROTATORD_CONFIG="+w.ConfigFile())
	cmd := w.command("run")
	cmd.Args = append(cmd.Args[:1], "run")
	d := w.launchCommand(cmd)
	d.ready()
	cmd = w.command("status")
	cmd.Args = append(cmd.Args[:1], "status")
	rotatord.Run(t, patience, cmd).Expect(t, 0, "live/subscribe")
}
