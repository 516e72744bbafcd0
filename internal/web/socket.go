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
)

const dialTimeout = 2 * time.Second

// listenSocket binds a unix socket at path. It has its mode and group before
// anybody can reach it: it is made in a private folder and moved into place,
// which also replaces the socket that a dead daemon left behind.
func listenSocket(path string, mode fs.FileMode, group string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the socket's own mode guards it
		return nil, err
	}
	if err := vacant(path); err != nil {
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

// vacant makes sure that nothing at path is in use by others.
func vacant(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is no socket (remove it, or choose another path)", path)
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("%s is answered by another daemon (stop that one first)", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot tell whether a daemon answers: %w", err)
	}
	return nil
}

func bindAndMove(temp, path string, mode fs.FileMode, group string) (net.Listener, error) {
	l, err := net.Listen("unix", temp)
	if err != nil {
		return nil, fmt.Errorf("%w (a socket's path has a limit of about 100 bytes)", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	info, err := admit(temp, path, mode, group)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &socketListener{Listener: l, path: path, made: info}, nil
}

// admit gives the socket its group and mode, and only then its name.
func admit(temp, path string, mode fs.FileMode, group string) (fs.FileInfo, error) {
	if err := chgrp(temp, group); err != nil {
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

func chgrp(path, group string) error {
	if group == "" {
		return nil
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		g, err := user.LookupGroup(group)
		if err != nil {
			return fmt.Errorf("admin_socket_group: %w", err)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return fmt.Errorf("admin_socket_group %s: id %q is no number", group, g.Gid)
		}
	}
	return os.Chown(path, -1, gid)
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
