package file

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/sinks"
)

// The folder's group, and with it that of all that is made in it, goes on below.
func TestAFolderBelowOneThatHandsItsGroupOnDoesSoToo(t *testing.T) {
	for _, umask := range []int{0o022, 0o077} {
		old := unix.Umask(umask)
		dir := t.TempDir()
		chmod(t, dir, 0o770|os.ModeSetgid)
		if os.Geteuid() == 0 {
			_ = os.Chown(dir, 0, 4711) // not where the id does not exist
		}
		for path, change := range map[string]func(*Config){"/a/b": nil, "/c/d": func(c *Config) { c.Group = gid() }} {
			put(t, openWith(t, change, hooks{}), dir+path+"/token", "value")
			for _, folder := range []string{dir + path, filepath.Dir(dir + path)} {
				st := stat(t, folder)
				if got := st.Mode & 0o7777; got != 0o2750 {
					t.Errorf("umask %o: mode of %s = %o, want 2750", umask, folder, got)
				}
				if want := stat(t, dir).Gid; change == nil && st.Gid != want {
					t.Errorf("group of %s = %d, want %d", folder, st.Gid, want)
				}
				if change != nil && int(st.Gid) != os.Getegid() {
					t.Errorf("group of %s = %d, not as configured", folder, st.Gid)
				}
			}
			if got, want := stat(t, dir+path+"/token").Gid, stat(t, dir+path).Gid; got != want {
				t.Errorf("group of the file = %d, that of its folder %d", got, want)
			}
		}
		unix.Umask(old)
	}
}

// Who is not in the folder's group loses the bit by setting a mode.
func TestAFolderBelowOneThatHandsItsGroupOnIsMadeWithItsMode(t *testing.T) {
	if !mayUnshare() {
		return // a container's filter, which the mode is set under
	}
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	s := openWith(t, nil, hooks{chmod: func(f *os.File, mode os.FileMode) error {
		if info, err := f.Stat(); err != nil || info.IsDir() {
			t.Errorf("the mode of %s is set (%v)", f.Name(), err)
		}
		return f.Chmod(mode)
	}})
	dir := t.TempDir()
	chmod(t, dir, 0o750|os.ModeSetgid)
	put(t, s, dir+"/a/b/token", "value")
	if now := unix.Umask(0o077); now != 0o077 {
		t.Errorf("the umask of the process is %o", now)
	}
}

func mayUnshare() bool {
	answer := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		answer <- unix.Unshare(unix.CLONE_FS)
	}()
	return <-answer == nil
}

func TestAFolderOnAFileSystemWithoutModes(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	s := openWith(t, nil, hooks{chmod: func(*os.File, os.FileMode) error { return unix.EPERM }})
	target := filepath.Join(t.TempDir(), "a/token")
	put(t, s, target, "value")
	wantContent(t, target, "value")
}

// A hint names what failed, which is seldom the target.
func TestAHintNamesWhatFailed(t *testing.T) {
	const target = "/srv/moq/live/token"
	for _, c := range []struct {
		err  error
		want string
	}{
		{&os.PathError{Op: "open", Path: target, Err: unix.EACCES}, "read, write and search /srv/moq/live, and read /srv/moq/live/token"},
		{&os.PathError{Op: "open", Path: temporaryBeside(target), Err: unix.EACCES}, "read, write and search /srv/moq/live, and read /srv/moq/live/token"},
		{&os.PathError{Op: "write to", Path: "/srv", Err: unix.EACCES}, "read, write and search /srv, and"},
		{&os.PathError{Op: "write to", Path: "/srv", Err: unix.EROFS}, "add /srv to ReadWritePaths="},
		{&os.PathError{Op: "mkdir", Path: "/srv/moq/live", Err: unix.EACCES}, "read, write and search /srv/moq, and"},
		{&os.PathError{Op: "statfs", Path: "/", Err: unix.EIO}, "the disk under / and"},
		{&os.LinkError{Op: "rename", Old: temporaryBeside(target), New: target, Err: unix.EPERM}, "in /srv/moq/live: look at owners, sticky and immutable bits, also of /srv/moq/live/token"},
		{&os.PathError{Op: "create", Path: temporaryBeside(target), Err: unix.EWOULDBLOCK}, "that writes /srv/moq/live/token"},
		{&os.PathError{Op: "remove", Path: temporaryBeside(target), Err: unix.EPERM}, "also of " + temporaryBeside(target)},
		{unix.ENOSPC, "the file system of /srv/moq/live"},
	} {
		if got := fault.Of(toFault("write", target, c.err)).Hint; !strings.Contains(got, c.want) {
			t.Errorf("%v: hint %q, want %q in it", c.err, got, c.want)
		}
	}
}

func TestTheFolderThatMayNotBeEnteredIsNamed(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	for name, mode := range map[string]os.FileMode{"not to be searched": 0o600, "not to be read, so not to be synced": 0o300} {
		dir := t.TempDir()
		must(t, os.MkdirAll(dir+"/a/b/c", 0o700))
		closed := map[bool]string{true: dir + "/a", false: dir + "/a/b/c"}[mode == 0o600]
		chmod(t, closed, mode)
		_, err := openWith(t, nil, hooks{}).Probe(t.Context(), dir+"/a/b/c/token", sinks.ProbeOptions{Read: true})
		wantRefusal(t, name, err, refusal{fault.Permanent, fault.Forbidden, "search " + closed + ","})
		chmod(t, closed, 0o700)
	}
}
