package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

func TestIDsThatTheUserNamespaceLacksAreRefused(t *testing.T) {
	if inNamespaces(t) {
		for _, change := range []func(*Config){
			func(c *Config) { c.Owner = "1000" }, func(c *Config) { c.Group = "1000" },
		} {
			s := openWith(t, change, hooks{})
			wantBothRefuse(t, s, filepath.Join(t.TempDir(), "token"), refusal{fault.Permanent, fault.Invalid, "user namespace"})
		}
		return
	}
	proc := t.TempDir()
	must(t, os.WriteFile(proc+"/uid_map", []byte("         0     100000      65536\n"), 0o600))
	must(t, os.WriteFile(proc+"/gid_map", []byte("0 1000 1\n1 100000 100\n"), 0o600))
	d := disk{hooks: hooks{proc: proc}}
	for _, c := range []struct {
		who  owner
		want string
	}{
		{owner{65536, -1, -1}, "owner 65536 does not exist here: rotatord's user namespace (/proc/self/uid_map) has 0 to 65535"},
		{owner{-1, 101, -1}, "group 101 does not exist here: rotatord's user namespace (/proc/self/gid_map) has 0 to 0, 1 to 100"},
		{owner{65535, -1, 5000}, "group 5000"},
	} {
		err := d.mayWrite(filepath.Join(t.TempDir(), "token"), 0, c.who)
		wantRefusal(t, "mayWrite", err, refusal{fault.Permanent, fault.Invalid, "user namespace"})
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v\nlacks %q", err, c.want)
		}
	}
	for _, who := range []owner{{-1, -1, -1}, {0, 0, 0}, {65535, 100, 100}} {
		must(t, d.checkIDs(who))
	}
	must(t, disk{hooks: hooks{proc: t.TempDir()}}.checkIDs(owner{1 << 30, 1, 1})) // a kernel without user namespaces
}

// What no look tells, the chown of a write and of a trial does.
func TestAnOwnerThatIsRefusedIsExplained(t *testing.T) {
	squashed := "root_squash"
	if !hasCapability(unix.CAP_CHOWN) {
		squashed = "owners, sticky"
	}
	for errno, want := range map[unix.Errno]refusal{
		unix.EINVAL:    {fault.Permanent, fault.Invalid, "user namespace"},
		unix.EOVERFLOW: {fault.Permanent, fault.Invalid, "id mapping"},
		unix.EPERM:     {fault.Permanent, fault.Forbidden, squashed},
	} {
		for _, who := range []owner{{4711, -1, -1}, {-1, 4711, -1}, {-1, -1, 4711}} {
			d := disk{hooks: hooks{chown: func(f *os.File, _, _ int) error { return &os.PathError{Op: "chown", Path: f.Name(), Err: errno} }}}
			dir := t.TempDir()
			err := d.write(t.Context(), dir+"/a/token", secret.New("value"), 0o640, who, nil)
			wantRefusal(t, "write", toFault("write", dir+"/a/token", err), want)
			if who.folderGID < 0 {
				_, err = d.tryWrite(dir+"/token", secret.New("x"), 0o640, who, grant{}, false)
				wantRefusal(t, "try", toFault("probe", dir+"/token", err), want)
			}
		}
	}
}
