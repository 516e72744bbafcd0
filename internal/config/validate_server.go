package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	// A Unix socket's path must fit into the kernel's address with a NUL at its end.
	maxSocketPath = 107
	// The socket is bound in a folder of its own beside its name: see web.privateFolder.
	maxSocketFolder = maxSocketPath - len("/.01234567/s")

	maxHostName = 253
	noGroup     = 1<<32 - 1 // chown takes it for "leave it"
)

// hostPattern is what Go's resolver looks up.
var (
	hostPattern   = regexp.MustCompile(`^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.|$))+$`)
	digitsPattern = regexp.MustCompile(`^[0-9.]+$`)
)

// checkServer refuses what can never be bound, whatever the machine.
func (v *validator) checkServer() {
	s, p := v.cfg.Server, topLevel("server")
	if text, hint := wrongListen(s.Listen); s.Listen != "" && text != "" {
		at := p.child("listen")
		v.diagnose(at, text+butNot(at, s.Listen), hint)
	}
	v.checkAdvertise(s, p.child("advertise"))
	v.checkAdminSocket(p.child("admin_socket"), s.AdminSocket)
	mode, err := strconv.ParseUint(s.AdminSocketMode, 8, 32)
	at := p.child("admin_socket_mode")
	v.require(err == nil && mode <= 0o777, at, "must be permissions in octal"+butNot(at, s.AdminSocketMode),
		`such as "0600"`)
	v.require(err != nil || mode&0o002 == 0 || s.Insecure, at, "lets everybody on this machine rotate and revoke",
		`let a group in with admin_socket_group and "0660", or set server.insecure: true`)
	if err == nil && s.AdminSocketGroup != "" && mode&0o020 == 0 {
		v.warn(at, "leaves the members of admin_socket_group out: who may not write to a socket cannot use it", `such as "0660"`)
	}
	gid, err := strconv.Atoi(s.AdminSocketGroup)
	at = p.child("admin_socket_group")
	v.require(err != nil || gid >= 0 && gid < noGroup, at, "must be the name or the id of a group"+butNot(at,
		s.AdminSocketGroup), "an id is from 0 to 4294967294")
}

func (v *validator) checkAdminSocket(p *path, socket string) {
	text, hint := wrongSocket(socket)
	v.require(text == "", p, text+butNot(p, socket), hint)
	if text == "" && !filepath.IsAbs(socket) {
		v.warn(p,
			"a path that is not absolute: the daemon and each command look for it in a working directory of their own", "begin it with /")
	}
}

// wrongSocket says why no socket can be bound to path; "" when one can.
func wrongSocket(path string) (text, hint string) {
	switch base := path[strings.LastIndexByte(path, '/')+1:]; {
	case path == "" || len(path) > maxSocketPath:
		return fmt.Sprintf("must be a path of at most %d bytes", maxSocketPath), ""
	case strings.ContainsRune(path, 0):
		return "must hold no NUL", ""
	case path[0] == '@':
		return "must be a path: an abstract socket has neither owner nor permissions",
			"give a path, such as /run/rotatord/admin.sock"
	case base == "" || base == "." || base == "..":
		return "must name a socket and no folder", "such as /run/rotatord/admin.sock"
	case len(filepath.Dir(path)) > maxSocketFolder:
		return fmt.Sprintf("its folder's path must have at most %d bytes", maxSocketFolder), ""
	}
	return "", ""
}

// wrongListen says why nothing can listen on an address; "" when something may.
func wrongListen(address string) (text, hint string) {
	host, port, err := net.SplitHostPort(address)
	if _, bare := netip.ParseAddr(address); err != nil && bare == nil && strings.Contains(address, ":") {
		return "must be host:port", "an IPv6 address stands in brackets, such as [::1]:9476"
	}
	if err != nil {
		return "must be host:port", `such as 127.0.0.1:9476, or "" to turn it off`
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "the port must be a number from 0 to 65535", "such as 127.0.0.1:9476"
	}
	if host == "*" {
		return "must be host:port, and * is no host", "leave it out to listen on every address: :" + port
	}
	return wrongHost(host)
}

func wrongHost(host string) (text, hint string) {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return "", ""
	case err != nil && (len(host) > maxHostName || digitsPattern.MatchString(host) || !hostPattern.MatchString(host)):
		return "must be host:port, and the host is neither an IP address nor a name",
			"such as 127.0.0.1:9476, [::1]:9476 or localhost:9476"
	case err != nil:
		return "", "" // whether there is such a name shows at the start
	case ip.Unmap().IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "must be one machine's address and not many's", "give one of this machine's, or none for all of them"
	case ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "":
		return "must name the zone of a link-local address", "such as [fe80::1%eth0]:9476"
	}
	return "", ""
}
