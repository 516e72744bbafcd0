package web

import (
	"net"
	"syscall"
)

// peerOf returns the user at the other end of a unix socket, as the kernel knows it.
func peerOf(c net.Conn) (uid uint32, pid int32, ok bool) {
	unix, isUnix := c.(*net.UnixConn)
	if !isUnix {
		return 0, 0, false
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		cred, credErr := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		if credErr == nil {
			uid, pid, ok = cred.Uid, cred.Pid, true
		}
	})
	return uid, pid, ok && err == nil
}
