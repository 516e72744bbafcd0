package web

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

const dialTimeout = 2 * time.Second

// listenSocket binds a unix socket at path. It has its mode and group before
// anybody can reach it: it is made in a private folder and moved into place,
// which also replaces the socket that a dead daemon left behind.
func listenSocket(path string, mode fs.FileMode, group string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the socket's own mode guards it
		return nil, err
	}
	if err := checkVacant(path); err != nil {
		return nil, err
	}
	private := privateFolder(path)
	if err := os.RemoveAll(private); err != nil { // of a start that was killed
		return nil, err
	}
	if err := os.Mkdir(private, 0o700); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(private) }()
	return bindAndMove(filepath.Join(private, "s"), path, mode, group)
}

// privateFolder is beside path, and short, because a socket's path has little room.
func privateFolder(path string) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf(".%08x", crc32.ChecksumIEEE([]byte(filepath.Base(path)))))
}

// checkVacant makes sure that nothing at path is in use by others.
func checkVacant(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fault.Newf(fault.Permanent, fault.Foreign, "", "", "what is there is no socket").WithHint("remove it, or choose another path")
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		_, pid, _ := peerOf(conn)
		_ = conn.Close()
		return fault.Newf(fault.Permanent, fault.Conflict, "", "", "another daemon answers there (process %d)", pid).
			WithHint("stop that one first, or give this one a server.admin_socket and a state.path of its own")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot tell whether a daemon answers: %w", err)
	}
	return nil
}

func bindAndMove(temp, path string, mode fs.FileMode, group string) (net.Listener, error) {
	l, err := net.Listen("unix", temp)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	info, err := admitOwner(temp, path, mode, group)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &socketListener{Listener: l, path: path, made: info}, nil
}

// admitOwner gives the socket its group and mode, and only then its name.
func admitOwner(temp, path string, mode fs.FileMode, group string) (fs.FileInfo, error) {
	if err := setGroup(temp, group); err != nil {
		return nil, err
	}
	if err := os.Chmod(temp, mode.Perm()); err != nil {
		return nil, err
	}
	info, err := os.Lstat(temp)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(temp, path)
}

func setGroup(path, group string) error {
	if group == "" {
		return nil
	}
	gid, err := groupID(group)
	if err != nil {
		return groupFault(group, err).WithHint("make the group, or leave the key out: the socket then has the process's own")
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return chownFault(group, err)
	}
	return nil
}

func groupID(group string) (int, error) {
	if gid, err := strconv.Atoi(group); err == nil {
		return gid, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// chownFault says who would have to be a member of the group.
func chownFault(group string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err // the socket has another name yet
	}
	if !errors.Is(err, fs.ErrPermission) {
		return groupFault(group, err)
	}
	name := "uid " + strconv.Itoa(os.Geteuid())
	if u, lookup := user.LookupId(strconv.Itoa(os.Geteuid())); lookup == nil {
		name = u.Username
	}
	return groupFault(group, fmt.Errorf("the socket cannot be given to this group: %w", err)).WithHint(
		"%s, as whom rotatord runs, was no member of it when it was started: make it one (SupplementaryGroups= under systemd, "+
			"or usermod -aG %s %s), and start rotatord anew", name, group, name)
}

func groupFault(group string, err error) *fault.Error {
	return fault.Newf(fault.Permanent, fault.Invalid, "", "server.admin_socket_group "+group, "%w", err)
}

// socketFault says what to do about a socket that cannot be bound.
func socketFault(path string, err error) error {
	f := fault.Newf(fault.Permanent, fault.Setup, "listen on", "server.admin_socket "+path, "%w", err)
	switch inner, known := errors.AsType[*fault.Error](err); {
	case known:
		f.Reason = inner.Reason // and it has a hint of its own
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		f.Hint = "the folder must be there, and rotatord's user able to make files in it (RuntimeDirectory=rotatord under systemd); or name another path"
	case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EINVAL):
		f.Hint = "this file system may hold no sockets: name a path on another, such as /run"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, fs.ErrNotExist):
		f.Hint = "a part of its path is no folder in which one can be made: name another"
	}
	return f
}

// socketListener removes its file when it is closed, unless another daemon has
// put its own there meanwhile.
type socketListener struct {
	net.Listener
	path string
	made fs.FileInfo
	once sync.Once
}

// Close stops listening and removes the socket's file.
func (l *socketListener) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() {
		if info, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(info, l.made) {
			err = errors.Join(err, os.Remove(l.path))
		}
	})
	return err
}
