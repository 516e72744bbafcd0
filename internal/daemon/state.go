package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/secret"
)

// openState opens the journal and the identity that seals its values. The
// identity is made only while the journal is empty.
func openState(s config.State, o journal.Options, access secret.Access) (*journal.Bolt, *secret.Identity, error) {
	if err := checkState(s.Path, access); err != nil {
		return nil, nil, fmt.Errorf("state.path: %w", err)
	}
	j, err := journal.Open(s.Path, o)
	if err != nil {
		return nil, nil, err
	}
	id, err := openIdentity(s, j, access)
	if err != nil {
		return nil, nil, errors.Join(err, j.Close())
	}
	return j, id, nil
}

// checkState judges who may reach the folder and the journal's files in it. Whatever else is there is not ours.
func checkState(dir string, access secret.Access) error {
	if _, err := os.Stat(dir); err != nil {
		return nil //nolint:nilerr // it is made, or opening the journal says why not
	}
	if err := access.CheckOwnFolder(dir); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "state*"))
	for _, path := range files {
		if err = errors.Join(err, access.CheckOwnFile(path)); err != nil {
			return err
		}
	}
	return err
}

// stateFree is what may still be written of the state, to its folder's file system or to etcd; -1 where that is not known.
func (d *daemon) stateFree(s config.State) int64 {
	if s.Etcd == nil {
		return freeBytes(s.Path)
	}
	if r := d.replica.Load(); r != nil {
		return r.free()
	}
	return -1
}

// freeBytes returns what this user may still write to the file system of a folder; -1 where that is not known.
func freeBytes(dir string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return -1
	}
	return int64(fs.Bavail) * fs.Frsize
}

// ownIdentity is the path of the identity that rotatord makes.
func ownIdentity(s config.State) string { return filepath.Join(s.Path, "identity.txt") }

// keepIdentity writes the identity anew when its file was deleted from the state
// folder: the next start could open nothing. One that lies elsewhere is not ours to write.
func (d *daemon) keepIdentity(c *core) {
	s := d.backends.Load().cfg.State
	path := ownIdentity(s)
	if s.IdentityFile != "" {
		return
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	err := c.identity.Restore(path)
	switch {
	case err == nil:
		d.log.Warn("the identity file was deleted while rotatord runs, and was written anew", zap.String("file", path))
	case c.identityErr == nil || causeOf(c.identityErr) != causeOf(err): // it is tried every second
		d.log.Error("the identity file was deleted, and cannot be written anew: "+
			"values on their way could not be opened after a restart", zap.Error(err))
	}
	c.identityErr = err
}

// causeOf is what errors about one trouble have in common: a path in them may be a temporary one, with
// another name each time.
func causeOf(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}

func openIdentity(s config.State, j *journal.Bolt, access secret.Access) (*secret.Identity, error) {
	path := s.IdentityFile
	if path == "" {
		path = ownIdentity(s)
	}
	id, err := secret.LoadIdentity(path, access)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	empty, err := j.Empty()
	if err != nil {
		return nil, err
	}
	if !empty {
		return nil, errIdentityLost{path}
	}
	if id, err = secret.CreateIdentity(path); err != nil {
		return nil, fault.Newf(fault.Retry, fault.Storage, "", "", "%w", err).
			WithHint("check the disk and the permissions of its folder")
	}
	return id, nil
}

// sharedIdentity loads the identity that replicas share: none of them makes it.
func sharedIdentity(path string, access secret.Access) (*secret.Identity, error) {
	id, err := secret.LoadIdentity(path, access)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Newf(fault.Permanent, fault.Setup, "", "", "%w", err).
			WithHint("copy it from another replica; before the first start, make it with age-keygen -o %s, and give it to all", path)
	}
	return id, err
}

// errIdentityLost stops the start: values may be sealed with what is gone.
type errIdentityLost struct{ path string }

func (e errIdentityLost) Error() string {
	return fmt.Sprintf("the identity file %s is missing, but the journal is not empty: "+
		"values that are still on their way are sealed with it. Put the file back; if it is lost for good, "+
		"make a new one with `age-keygen -o %s`, for the user %d, as whom rotatord runs (chown, mode 0600): "+
		"the slots with an undelivered value then rotate anew", e.path, e.path, os.Geteuid())
}
