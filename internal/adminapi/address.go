package adminapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// Address says at which socket a daemon is looked for, and why at that one.
type Address struct {
	Path   string
	Origin string // "server.admin_socket of /etc/rotatord/config.yaml"; may be empty
	Met    func() // is called whenever a daemon has let us in, before it is asked for anything; nil for nobody
}

// String is the path with its origin behind it.
func (a Address) String() string {
	if a.Origin == "" {
		return a.Path
	}
	return a.Path + " (" + a.Origin + ")"
}

func (a Address) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", a.Path)
	if err == nil && a.Met != nil {
		a.Met()
	}
	return conn, err
}

// unanswered explains why there was no answer. Failing to connect is
// ErrNoDaemon; a daemon that went away after that is not, for it may have acted.
func (c *Client) unanswered(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		return fmt.Errorf("the daemon at %s: %w", c.socket.Path, err)
	}
	return fmt.Errorf("%w at %s: %w (%s)", ErrNoDaemon, c.socket, op.Err, c.socket.remedy(op.Err))
}

// remedy says what to do where nothing answers.
func (a Address) remedy(err error) string {
	const another = "--socket or ROTATORD_SOCKET name another socket"
	switch {
	case errors.Is(err, fs.ErrPermission):
		return a.whoMayConnect() + "; " + another
	case errors.Is(err, syscall.EINVAL):
		return "a socket's path has at most 107 bytes"
	case errors.Is(err, syscall.ECONNREFUSED) && !isSocket(a.Path):
		return "what is there is no socket: " + another
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is `rotatord run` up? One that was killed has left this socket behind; the next start replaces it"
	case errors.Is(err, syscall.EAGAIN):
		return "it takes no connections now: try again"
	}
	return "is `rotatord run` up? " + another
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().Type() == fs.ModeSocket
}

// whoMayConnect tells as much of a socket's owners as somebody sees whom it keeps out.
func (a Address) whoMayConnect() string {
	info, err := os.Stat(a.Path)
	if err != nil {
		return "a folder on the way there is closed to you: run as root, or as the daemon's user"
	}
	text := fmt.Sprintf("its mode is %04o", info.Mode().Perm())
	if uid, gid, ok := ownersOf(info); ok {
		text = fmt.Sprintf("it belongs to %s and group %s, with mode %04o", userName(uid), groupName(gid), info.Mode().Perm())
	}
	if info.Mode().Perm()&0o020 == 0 {
		return text + ": run as root or as that user; " +
			"server.admin_socket_group and server.admin_socket_mode \"0660\" let others in"
	}
	return text + ": run as root, as that user or as a member of that group; who was just added to it has to log in anew"
}
