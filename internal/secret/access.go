package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Access judges who but the process may reach its files. Kubernetes and systemd set owners and modes of their own:
// a group counts as ours if the process is in it, and root is trusted anyway.
type Access struct {
	uid         int
	groups      []int
	credentials string // systemd's folder of credentials, whose files are readable by a group for the sake of their ACL
	warn        func(text string)
}

// ThisProcess judges for the process as it is. What was repaired is told to warn, which may be nil.
func ThisProcess(env Environment, warn func(text string)) Access {
	groups, _ := os.Getgroups() // an error leaves the process's own
	if warn == nil {
		warn = func(string) {}
	}
	return Access{os.Geteuid(), append(groups, os.Getegid()), env.Get("CREDENTIALS_DIRECTORY"), warn}
}

// CheckOwnFolder refuses a folder of rotatord's own in which others may replace files. One that belongs to the process is repaired.
func (a Access) CheckOwnFolder(dir string) error {
	err := a.checkFolder(dir)
	if open, ok := errors.AsType[*openFolder](err); ok {
		if open.owner == a.uid && a.repairMode(dir, open.mode, open.loose, func(m fs.FileMode) error { return os.Chmod(dir, m) }) == nil {
			return nil
		}
		return fmt.Errorf("%w: chmod 700 it, or, where it is a mounted volume (an emptyDir is 0777), name a folder below it, such as %s, which rotatord makes 0700",
			err, filepath.Join(dir, "state"))
	}
	return err
}

// CheckOwnFile refuses a file of rotatord's own that belongs to somebody else. A mode that lets others in is repaired.
func (a Access) CheckOwnFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := a.checkOwner(info); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	loose := a.looseBits(path, info)
	if loose == 0 || a.repairMode(path, info.Mode(), loose, func(m fs.FileMode) error { return os.Chmod(path, m) }) == nil {
		return nil
	}
	if loose&0o022 != 0 && !readOnly(path) {
		return fmt.Errorf("%s: its mode %s lets others write it: chmod 600 it", path, inOctal(info.Mode()))
	}
	a.warn(fmt.Sprintf("%s has mode %s, which lets others read it, and it could not be changed: chmod 600 it", path, inOctal(info.Mode())))
	return nil
}

// checkIdentity refuses one that anybody may have read, or that somebody else may change; a group's access is taken away.
func (a Access) checkIdentity(f *os.File, info fs.FileInfo) error {
	if err := a.checkOwner(info); err != nil {
		return err
	}
	loose := a.looseBits(f.Name(), info)
	if loose == 0 || loose&0o007 == 0 && a.repairMode(f.Name(), info.Mode(), loose, f.Chmod) == nil {
		return a.checkFolder(filepath.Dir(f.Name()))
	}
	return fmt.Errorf("its mode %s lets others read it: chmod 600 it, and think whether the key is still secret", inOctal(info.Mode()))
}

// checkSecret refuses a secret that others may read or replace.
func (a Access) checkSecret(path string, info fs.FileInfo) error {
	switch loose := a.looseBits(path, info); {
	case loose&0o006 != 0:
		return fmt.Errorf("its mode %s lets everybody on this machine read it: chmod 640 it (a Kubernetes Secret: defaultMode: 0440, and an fsGroup)", inOctal(info.Mode()))
	case loose&0o060 != 0:
		_, gid := ownerOf(info)
		return fmt.Errorf("its mode %s lets the group %d read it, which rotatord is not in: chmod 600 it, or give it to a group of rotatord's", inOctal(info.Mode()), gid)
	}
	return a.checkFolder(filepath.Dir(path))
}

func (a Access) checkOwner(info fs.FileInfo) error {
	if uid, _ := ownerOf(info); uid != 0 && uid != a.uid {
		return fmt.Errorf("it belongs to the user %d, and rotatord runs as %d: chown it", uid, a.uid)
	}
	return nil
}

// openFolder is one in which others may put files in place of ours.
type openFolder struct {
	dir   string
	owner int
	mode  fs.FileMode
	loose fs.FileMode
}

func (e *openFolder) Error() string {
	return fmt.Sprintf("the folder %s has mode %s, so that others may replace what is in it", e.dir, inOctal(e.mode))
}

// checkFolder lets pass what is sticky, since only a file's owner replaces it there, or mounted read-only.
func (a Access) checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	loose := a.looseBits(dir, info)
	if loose&0o022 == 0 || info.Mode()&fs.ModeSticky != 0 || readOnly(dir) {
		return nil
	}
	owner, _ := ownerOf(info)
	return &openFolder{dir, owner, info.Mode(), loose}
}

// looseBits returns the bits of a mode that let others in: neither the owner, nor a group of the process.
func (a Access) looseBits(path string, info fs.FileInfo) fs.FileMode {
	loose := info.Mode().Perm() & 0o007
	if _, gid := ownerOf(info); !slices.Contains(a.groups, gid) && !a.isCredential(path) {
		loose |= info.Mode().Perm() & 0o070
	}
	return loose
}

func (a Access) isCredential(path string) bool {
	return a.credentials != "" && strings.HasPrefix(filepath.Clean(path), filepath.Clean(a.credentials)+string(filepath.Separator))
}

func (a Access) repairMode(path string, mode, loose fs.FileMode, chmod func(fs.FileMode) error) error {
	repaired := mode & (fs.ModePerm | fs.ModeSetgid | fs.ModeSetuid | fs.ModeSticky) &^ loose
	if err := chmod(repaired); err != nil {
		return err
	}
	a.warn(fmt.Sprintf("%s had mode %s, which let others in; it is %s now", path, inOctal(mode), inOctal(repaired)))
	return nil
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}

// inOctal writes a mode as chmod takes it.
func inOctal(m fs.FileMode) string {
	bits := m.Perm()
	if m&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return fmt.Sprintf("%04o", uint32(bits))
}

func readOnly(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && s.Flags&unix.ST_RDONLY != 0
}
